"""Reserve chains on their pages: found, read, previewed, changed, and refused to those who may not."""

import pytest
from django.test import Client
from django.urls import reverse

from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.settlements.models import ChainLink, ReserveChain
from tests.console.conftest import signed_in
from tests.console.pages import Page
from tests.factories import ConnectionFactory, EntityFactory, person
from tests.settlements.take import take
from tests.settlements.test_chains import ONE, THREE, TWO, payout

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def place():
    return ConnectionFactory(entity=EntityFactory(name="Brackenfold Home Ltd"), name="amazon.co.uk")


@pytest.fixture
def priya(place):
    return person(Role.FINANCE, place.entity, name="Priya Nair")


@pytest.fixture
def client(priya) -> Client:
    return signed_in(priya)


def page(response) -> str:
    """The words of a page, without its markup's white space."""
    return " ".join(response.content.decode().split())


def digest_of(response) -> str:
    return response.context["attempted"].plan.digest


def of_only_chain(deed: str) -> str:
    return reverse("chain", args=[ReserveChain.objects.get().pk]) + f"?do={deed}"


def test_the_heading_is_the_finding(client, place):
    assert Page(client.get(reverse("chains"))).heading == "Reserve chains"
    take(place, ONE)
    take(place, TWO)
    assert Page(client.get(reverse("chains"))).heading == "Every reserve was given back as it was kept"
    here = reverse("chain", args=[ReserveChain.objects.get().pk])
    assert Page(client.get(here)).heading == "The chain Amazon.co.uk holds, settlement after settlement"
    take(place, payout("34", 3))
    found = client.get(here)
    assert Page(found).heading == "Settlement 34 waits for a settlement from 30 Mar to 13 Apr"
    assert "After a gap" in page(found) and "Equal" in page(found)
    assert Page(client.get(reverse("chains"))).heading.startswith("1 settlement does not follow on")


def test_a_chain_is_confirmed_after_a_preview(client, place, priya):
    take(place, ONE)
    here = of_only_chain("confirm")
    offered = client.get(here)
    assert "No journal changes." in page(offered)
    take(place, TWO)  # the world moves on between preview and press
    stale = client.post(here, {"digest": digest_of(offered)})
    assert stale.status_code == 409 and ReserveChain.objects.get().confirmed_by is None
    done = client.post(here, {"digest": digest_of(stale)}, follow=True)
    assert "Confirmed by Priya Nair" in page(done)
    assert set(ChainLink.objects.values_list("placed_by", flat=True)) == {priya.pk}
    take(place, THREE)
    assert "1 settlement came since and is proposed" in page(client.get(here))


def test_the_opening_is_confirmed_on_the_chains_own_page(client, place, priya):
    take(place, TWO)
    here = of_only_chain("confirm-opening")
    assert Page(client.get(here)).heading == "The chain Amazon.co.uk waits for its opening reserve"
    fault = client.post(here, {"amount": "80.001", "reason": ""})
    assert fault.status_code == 422
    assert "no more than 2 decimal places" in page(fault)
    data = {"amount": "80.00", "reason": "Trial balance"}
    seen = client.post(here, data | {"preview": "1"}, headers={"HX-Request": "true"})
    assert "The reserve account is to start with £80.00 before 32." in page(seen) and "<h1" not in page(seen)
    done = client.post(here, data | {"digest": digest_of(seen)}, follow=True)
    assert "opens with £80.00" in page(done)
    assert not Case.objects.live().filter(type="settlement.opening-balance").exists()
    assert Case.objects.get(type="settlement.opening-balance").ended_by == priya


def test_a_settlement_moves_to_another_chain(client, place):
    take(place, ONE)
    take(place, TWO)
    here = of_only_chain("move-settlement")
    aimed = client.get(f"{here}&settlement=32")
    assert '<option value="32" selected>' in page(aimed)
    nameless = client.post(here, {"settlement": "32", "to": "", "name": "", "preview": "1"})
    assert nameless.status_code == 422 and "Give the new chain a name." in page(nameless)
    data = {"settlement": "32", "to": "", "name": "Invoiced orders", "reason": "Its own payout group"}
    seen = client.post(here, data | {"preview": "1"})
    assert "Amazon.co.uk, after" in page(seen) and "1 settlement, none broken" in page(seen)
    client.post(here, data | {"digest": digest_of(seen)})
    assert ReserveChain.objects.get(name="Invoiced orders").links.get().settlement.settlement_id == "32"


def test_the_case_leads_to_the_chain_and_moves_the_settlement(client, place):
    take(place, ONE)
    take(place, payout("32", 1, "70.00"))
    case = Case.objects.live().get(type="settlement.reserve-chain-broken")
    shown = client.get(reverse("case", args=[case.pk]))
    assert Page(shown).heading == "Settlement 32 was given back £70.00, but the one before kept £80.00"
    assert "−£10.00" in page(shown)
    assert "Correct the opening reserve" not in page(shown)
    found = Page(shown).linked("The whole chain Amazon.co.uk")
    assert found == reverse("chain", args=[ReserveChain.objects.get().pk])


def test_readers_see_the_chain_and_are_told_who_can(place, priya):
    take(place, ONE)
    reader = signed_in(person(Role.VIEWER, place.entity))
    here = of_only_chain("confirm")
    assert "Your role cannot confirm or change reserve chains. Priya Nair can." in page(reader.get(here))
    assert reader.post(here, {"digest": ""}).status_code == 403
    assert reader.get(of_only_chain("nothing")).status_code == 404


def test_a_chain_that_loses_its_only_settlement_goes_and_the_list_is_shown(client, place):
    take(place, ONE)
    here = of_only_chain("move-settlement")
    data = {"settlement": "31", "to": "", "name": "Another", "reason": "It is another group"}
    seen = client.post(here, data | {"preview": "1"})
    done = client.post(here, data | {"digest": digest_of(seen)})
    assert done["Location"] == reverse("chains")


def test_a_confirmed_chain_stays_without_a_settlement_and_its_page_says_so(client, place):
    take(place, ONE)
    confirm = of_only_chain("confirm")
    client.post(confirm, {"digest": digest_of(client.get(confirm))})
    here = of_only_chain("move-settlement")
    data = {"settlement": "31", "to": "", "name": "Another", "reason": "It is another group"}
    left = client.post(here, data | {"digest": digest_of(client.post(here, data | {"preview": "1"}))}, follow=True)
    assert Page(left).heading == "No settlement is in the chain Amazon.co.uk"
    assert "moved 31 from Amazon.co.uk to Another" in page(left)
    for deed in ("confirm", "confirm-opening", "move-settlement", "end-chain"):
        assert client.get(f"{here.split('?')[0]}?do={deed}").status_code == 200
