"""Settlements, journals, months and what maps them ask the database as often for 50 rows as for one."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.core.models import AuditEntry
from apps.integrations.models import Connection
from apps.settlements.models import FileReading, RollUp, SettlementLine
from tests.console.pages import Page
from tests.console.queries.asked import asked_for, check_same_for_50
from tests.console.queries.rows import (
    a_batch,
    a_chain,
    a_draft,
    a_job,
    a_link,
    a_month,
    a_settlement,
    a_signature,
    an_approved,
    join,
)
from tests.factories import StoredFileFactory, VersionFactory

pytestmark = pytest.mark.django_db

LISTS: dict[str, tuple[str, Callable[[Connection], object]]] = {
    "home, settlements": ("/", a_settlement),
    "settlements": ("/settlements/", a_settlement),
    "journals": ("/journals/", a_settlement),
    "journals, exported": ("/journals/", a_batch),
    "exports": ("/exports/", a_batch),
    "months": ("/close/", a_month),
    "signatures": ("/mapping/?show=signatures", a_signature),
    "chains": ("/chains/", a_chain),
    "chain": ("/chains/7/", a_link),
}


@pytest.mark.parametrize("name", LISTS)
def test_as_many_queries_for_50_rows_as_for_one(name: str, client: Client, place: Connection):
    address, make = LISTS[name]
    a_job(place)  # with a stored file, today is not the first-run page
    check_same_for_50(client, address, lambda: make(place))


@pytest.mark.parametrize(("name", "make"), [("approve", a_draft), ("export", an_approved)])
def test_ticked_journals_cost_no_query_each(name: str, make: Callable, client: Client, place: Connection):
    journals = [make(place).pk for _ in range(50)]
    with CaptureQueriesContext(database) as one:
        assert client.get(reverse(name), {"journal": journals[:1]}).status_code == 200
    with CaptureQueriesContext(database) as fifty:
        assert client.get(reverse(name), {"journal": journals}).status_code == 200
    assert len(fifty) == len(one)


def test_a_batch_asks_as_often_for_50_journals_as_for_one(client: Client, place: Connection):
    batch = a_batch(place)
    AuditEntry.objects.record(
        actor=batch.made_by, entity=place.entity, verb="batch.exported", subject=f"batch:{batch.pk}",
        after={"batch": 1, "total": "£0.00"},
    )  # fmt: skip
    address = reverse("batch", args=[batch.pk])
    one = asked_for(client, address)
    for _ in range(49):
        join(batch, an_approved(place))
    assert len(asked_for(client, address)) == len(one)


def test_lines_page_by_line_and_count_by_roll_up(client: Client, place: Connection):
    version = VersionFactory(settlement__connection=place, lines=150)
    signature = a_signature(place)
    at = version.settlement.start_at + timedelta(days=2)
    SettlementLine.objects.bulk_create(
        SettlementLine(version=version, line=n + 3, byte_offset=n, signature=signature, posted_at=at, amount=1)
        for n in range(150)
    )
    RollUp.objects.create(version=version, signature=signature, day=at.date(), lines=150, credit=150, debit=0)
    address = reverse("settlement_lines", args=[version.settlement.settlement_id])
    with CaptureQueriesContext(database) as hundred:
        first = Page(client.get(address))
    assert first.heading == "150 lines, £150.00"
    with CaptureQueriesContext(database) as rest:
        second = Page(client.get(address + first.linked("Next 100")))
    assert len(hundred) == len(rest)
    numbers = [words for page in (first, second) for words, href in page.links if "/lines/" in href]
    assert numbers == [str(n) for n in range(3, 153)]


def test_refused_files_cost_no_query_each(client: Client, place: Connection):
    def refuse() -> None:
        FileReading.objects.create(file=StoredFileFactory(connection=place), status="refused", words="No header.")

    check_same_for_50(client, "/settlements/", refuse)
