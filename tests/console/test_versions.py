"""The case of a settlement that came again: both files, the lines that differ, and the choice between them."""

import re
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.settlements.models import SettlementLine
from tests.console.conftest import Company
from tests.console.pages import Page
from tests.settlements.files import SALE, File, line
from tests.settlements.take import take

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client(ours: Company) -> Client:
    return ours.client(Role.FINANCE)


@pytest.fixture
def case(ours: Company) -> Case:
    """£4.20 of a new fee came as £3.20 of commission."""
    dearer = line("-3.20", amount_type="ItemFees", amount_description="Commission")
    take(ours.connection, File(settlement_id=ours.settlement.settlement_id, lines=(*SALE, dearer)), name="again.txt")
    return Case.objects.live().get(type="settlement.changed")


def address(case: Case) -> str:
    return reverse("case", args=[case.pk])


def press(client: Client, case: Case, number: int, **changes):
    page = client.get(address(case)).content.decode()
    (value,) = re.findall(rf'value="(\d+)"[^>]*>\s*Version {number},', page)
    data = {"version": value, "reason": "Equal to a fresh download"} | changes
    preview = client.post(reverse("act", args=[case.pk, "choose-version"]), data | {"preview": "1"})
    digest = re.findall(r'name="digest" value="([^"]+)"', preview.content.decode())
    done = client.post(reverse("act", args=[case.pk, "choose-version"]), data | {"digest": "".join(digest)}, follow=True)
    return preview, done


def test_both_files_stand_side_by_side_with_the_lines_that_differ(client, ours, case):
    response = client.get(address(case))
    page, words = Page(response), response.content.decode()
    assert page.linked("settlement.txt") != page.linked("again.txt")
    assert "2 lines that only one of them has" in words
    assert words.count("To the cent") == 2
    assert not page.inline
    listed = [(number, href) for number, href in page.links if re.search(r"/lines/\d+/\?version=", href)]
    assert len(listed) == 2
    amounts = []
    for number, href in listed:
        assert client.get(href).status_code == 200
        version = ours.settlement.versions.get(number=href.rpartition("=")[2])
        amounts.append(SettlementLine.objects.get(version=version, line=int(number)).amount)
    assert sorted(amounts) == [Decimal("-4.20"), Decimal("-3.20")]


def test_the_choice_is_previewed_done_and_its_case_is_a_record_of_both(client, ours, case):
    preview, done = press(client, case, 2)
    words = preview.content.decode()
    assert "<b>Version 2</b> takes the place of version 1" in words and "£101.80" in words
    assert Page(done).heading.startswith("Resolved: ")
    assert "Version 2 counts now." in done.content.decode()
    assert "Put away" in done.content.decode() and "2 lines that only one of them has" in done.content.decode()
    (row,) = [row for row in client.get("/settlements/").context["rows"] if row.settlement == ours.settlement]
    assert (row.version.number, row.waiting, row.stages[-1]) == (2, None, ("here", "2 drafts"))


def test_without_a_version_or_a_reason_the_form_comes_back_with_words(client, case):
    fault = client.post(reverse("act", args=[case.pk, "choose-version"]), {"preview": "1"})
    assert fault.status_code == 422
    assert fault.content.decode().count("This field is required.") >= 2


def test_a_version_that_does_not_add_up_says_why_and_cannot_be_pressed(client, ours, case):
    short = File(settlement_id=ours.settlement.settlement_id, total="99.00")
    take(ours.connection, short, name="short.txt")
    words = client.get(address(case)).content.decode()
    assert re.search(r"<input[^>]*disabled[^>]*>\s*Version 3, short.txt: Its lines are £6.00 away from its payout", words)
    preview, done = press(client, case, 3)
    assert (preview.status_code, done.status_code) == (422, 422)
    assert ours.settlement.versions.get(state="taken").number == 1


def test_a_viewer_reads_both_files_and_chooses_nothing(ours, case):
    words = ours.client(Role.VIEWER).get(address(case)).content.decode()
    assert "again.txt" in words and "cannot map fees to accounts" in words
