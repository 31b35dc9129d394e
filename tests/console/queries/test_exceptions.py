"""Queues, bulk actions, alerts and trends ask the database as often for 50 rows as for one; queues page by key."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.core.models import Entity
from apps.core.permissions import Role
from apps.exceptions.models import State
from apps.integrations.models import Connection
from apps.work.bulk.models import Bulk
from tests.console.pages import Page
from tests.console.queries.asked import check_same_for_50
from tests.console.queries.rows import a_bulk, a_case, a_failed_record, a_held_case, a_job, a_member, an_alert
from tests.factories import EntityFactory

pytestmark = pytest.mark.django_db

LISTS: dict[str, tuple[str, Callable[[Connection], object]]] = {
    "bulk actions": ("/bulk/?show=all", a_bulk),
    "queue": ("/queue/finance/", a_held_case),
    "home": ("/", a_held_case),
    "case of a platform": ("/cases/7/", a_failed_record),
    "trends": ("/trends/", a_held_case),
    "alerts": ("/alerts/", an_alert),
    "alert channels": ("/alerts/channels/", an_alert),
}


@pytest.mark.parametrize("name", LISTS)
def test_as_many_queries_for_50_rows_as_for_one(name: str, client: Client, place: Connection):
    address, make = LISTS[name]
    a_job(place)  # with a stored file, today is not the first-run page
    check_same_for_50(client, address, lambda: make(place))


def test_a_bulk_asks_as_often_for_50_cases_as_for_one(client: Client, place: Connection):
    a_member(place)
    address = f"/bulk/{Bulk.objects.get().pk}/?show=skipped"
    asked = []
    for count in (1, 49):
        with CaptureQueriesContext(database) as captured:
            page = client.get(address).content.decode()
        asked.append(len(captured))
        for _ in range(count):
            a_member(place)
    assert "It changed." in page
    assert asked[0] == asked[1]


@pytest.mark.parametrize("companies", [1, 3])
def test_the_queue_pages_by_rank_without_gaps_or_repeats(client: Client, place: Connection, marta, companies: int):
    entities = [place.entity, *(EntityFactory() for _ in range(companies - 1))]
    for entity in entities[1:]:
        marta.memberships.create(entity=entity, role=Role.FINANCE)
    cases = [a_case(place, entity=entities[n % companies], score=float(n // 4)) for n in range(120)]
    found, address = [], reverse("queue", args=["finance"])
    while address:
        response = client.get(address)
        page = Page(response)
        found += [int(href.split("/")[2]) for _, href in page.links if href.startswith("/cases/")]
        following = [href for words, href in page.links if words == "Next 50"]
        address = following[0] if following else ""
    assert found == [case.pk for case in sorted(cases, key=lambda case: (-case.score, case.pk))]


def test_the_queue_counts_by_its_tally_and_filters(client: Client, place: Connection):
    for n in range(3):
        a_case(place, stake=10, diagnosis="unknown" if n else "structural")
    a_case(place, state=State.SNOOZED, snoozed_until=timezone.now() + timedelta(days=1), stake=5)
    body = client.get("/queue/finance/").content.decode()
    assert "3 causes, £30.00 at stake" in body
    assert 'Snoozed <span class="n">1</span>' in body
    assert "2 causes, £20.00 at stake" in client.get("/queue/finance/?diagnosis=unknown").content.decode()
    assert "No case fits these filters" in client.get("/queue/finance/?diagnosis=transient").content.decode()
    assert "march.txt could not be read" in client.get("/queue/finance/?view=snoozed").content.decode()


def test_only_the_table_answers_htmx(client: Client, place: Connection):
    a_case(place)
    part = client.get("/queue/finance/", headers={"HX-Request": "true"})
    assert "<h1" not in part.content.decode() and "march.txt" in part.content.decode()
    boosted = client.get("/queue/finance/", headers={"HX-Request": "true", "HX-Boosted": "true"})
    assert "<h1" in boosted.content.decode()
    assert "HX-Request" in part["Vary"] and "HX-Request" in boosted["Vary"]


def test_the_company_switch_narrows_every_list(client: Client, place: Connection, marta):
    other: Entity = EntityFactory(name="Brackenfold GmbH")
    marta.memberships.create(entity=other, role=Role.FINANCE)
    a_case(place, stake=1)
    a_case(place, entity=other, stake=2)
    assert "2 causes, £3.00" in client.get("/queue/finance/").content.decode()
    client.post(reverse("company"), {"company": other.pk, "next": "/queue/finance/"})
    assert "1 cause, £2.00" in client.get("/queue/finance/").content.decode()
    client.post(reverse("company"), {"company": "", "next": "//elsewhere.example/"})
    assert "2 causes, £3.00" in client.get("/queue/finance/").content.decode()
