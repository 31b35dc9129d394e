"""Lists: each asks the database as often for 50 records as for one, and its pages miss nothing and tell nothing twice."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.models import Membership
from apps.core.permissions import MAP_FEES, Role
from apps.imports.models import Import, ImportRow
from apps.integrations.models import Connection, Job, Source, SyncRun
from apps.settlements.models import FeeRule
from apps.work.bulk.models import Bulk, BulkMember, queue_key
from apps.work.models import Proposal, SavedView
from tests.api.conftest import Program
from tests.console.queries.rows import (
    a_batch,
    a_bulk,
    a_case,
    a_chain,
    a_held_case,
    a_held_order,
    a_job,
    a_level,
    a_mapped_listing,
    a_settlement,
    a_shift_note,
    a_signature,
    an_approved,
    an_entry,
)
from tests.factories import ConnectionFactory, EntityFactory, OrderFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def place() -> Connection:
    return ConnectionFactory(entity=EntityFactory(name="Brackenfold Home Ltd"))


@pytest.fixture
def program(place: Connection) -> Program:
    everybody = UserFactory(name="Marta Lis")
    for role in Role:
        Membership.objects.create(user=everybody, entity=place.entity, role=role)
    return Program(everybody)


def a_company(place: Connection) -> None:
    everybody = Membership.objects.filter(entity=place.entity).order_by("pk").first().user
    Membership.objects.create(user=everybody, entity=EntityFactory(), role=Role.VIEWER)


def a_rule(place: Connection) -> None:
    amount = f"Fee {FeeRule.objects.count()}"
    FeeRule.objects.create(
        entity=place.entity,
        amount_description=amount,
        period=("2026-01-01", None),
        account=place.entity.accounts.create(code=amount[-6:], name=amount, kind="expense"),
        tax_class=place.entity.tax_classes.create(name=amount, default_leg="GB>GB"),
        source="person",
        made_by=UserFactory(),
    )


def an_import(place: Connection, **values) -> Import:
    said = {"sheet": "items", "mode": "good", "name": "items.csv", "sha256": "0", "size": 1, "path": "raw/0"}
    return Import.objects.create(entity=place.entity, made_by=UserFactory(), **said, **values)


def a_row(place: Connection) -> None:
    row = Import.objects.filter(pk=7).first() or an_import(place, pk=7)
    ImportRow.objects.create(of=row, number=row.rows.count() + 2, outcome="bad", cells=["x"], faults=[[0, "Odd."]])


def a_source(place: Connection) -> Source:
    connection = ConnectionFactory(entity=place.entity)
    return Source.objects.create(connection=connection, feed="amazon.orders", every=timedelta(minutes=15))


def a_run(place: Connection) -> None:
    job = Job.objects.create(kind="integrations.sync", entity=place.entity, asked_by=UserFactory())
    SyncRun.objects.create(source=a_source(place), job=job)


def a_proposal(place: Connection) -> None:
    number = Proposal.objects.count()
    said = {"effect": "Map it", "says": "Maps it.", "lines": 1, "money": "£1.00", "over": "Too much."}
    Proposal.objects.create(
        entity=place.entity, kind="rule", record=number, about=f"Rule {number}", action="change", label="Change",
        permission=MAP_FEES.name, data={}, digest="0", shown=said, asked_by=UserFactory(), state="declined",
        decided_by=UserFactory(), lapses_at=timezone.now(),
    )  # fmt: skip


def a_bulk_7_member(place: Connection) -> None:
    """One more case of the bulk with the id 7."""
    if not Bulk.objects.filter(pk=7).exists():
        Bulk.objects.create(
            pk=7, made_by=UserFactory(), action="claim", state="ready", digest="0", queues=[queue_key(place.entity_id, "finance")]
        )
    BulkMember.objects.create(bulk_id=7, case=a_case(place), verdict="eligible")


def a_view(place: Connection) -> None:
    owner = Membership.objects.filter(entity=place.entity).order_by("pk").first().user
    SavedView.objects.create(owner=owner, entity=place.entity, team="ops", name=f"View {SavedView.objects.count()}")


LISTS: dict[str, tuple[str, Callable[[Connection], object]]] = {
    "entities": ("entities/", a_company),
    "cases": ("cases/", a_held_case),
    "settlements": ("settlements/", a_settlement),
    "journals": ("journals/", an_approved),
    "journals, exported": ("journals/?state=exported", a_batch),
    "batches": ("batches/", a_batch),
    "orders": ("orders/", a_held_order),
    "orders, late": ("orders/?view=late", a_held_order),
    "listings": ("listings/", a_mapped_listing),
    "fee signatures": ("fee-signatures/?mapped=false", a_signature),
    "fee rules": ("fee-rules/", a_rule),
    "imports": ("imports/", an_import),
    "rows": ("imports/7/rows/", a_row),
    "sources": ("sources/", a_source),
    "runs": ("runs/", a_run),
    "audit": ("audit/", an_entry),
    "bulk actions": ("bulk/", a_bulk),
    "their members": ("bulk/7/members/", a_bulk_7_member),
    "approvals": ("approvals/", a_proposal),
    "chains": ("chains/", a_chain),
    "stock": ("stock/", a_level),
    "stock, low": ("stock/?low=true", a_level),
    "jobs": ("jobs/", a_job),
    "saved views": ("saved-views/", a_view),
    "shift notes": ("shifts/", a_shift_note),
}


@pytest.mark.parametrize("name", LISTS)
def test_as_many_queries_for_50_records_as_for_one(name: str, program: Program, place: Connection):
    path, make = LISTS[name]
    make(place)
    program.get(path)  # notes when the token was used, at most once a minute
    with CaptureQueriesContext(database) as one:
        first = program.get(path)
    for _ in range(49):
        make(place)
    with CaptureQueriesContext(database) as fifty:
        second = program.get(path)
    assert (first.status_code, second.status_code) == (200, 200), second.content
    assert len(second.json()["results"]) == 50 > len(first.json()["results"]) >= 1
    assert len(fifty) == len(one), [query["sql"] for query in fifty]


def ids_of(program: Program, path: str) -> list[int]:
    """By following "next"."""
    found = []
    while path:
        body = program.get(path).json()
        found += [row["id"] for row in body["results"]]
        path = body["next"]
    return found


def test_pages_by_rank_miss_nothing_and_tell_nothing_twice(program: Program, place: Connection):
    cases = [a_case(place, score=float(n // 4) + 0.1) for n in range(30)]
    found = ids_of(program, "cases/?limit=7&type=file.layout-unknown")
    assert found == [case.pk for case in sorted(cases, key=lambda case: (-case.score, case.pk))]


def test_what_comes_meanwhile_moves_no_page(program: Program, place: Connection):
    at = timezone.now()
    old = [OrderFactory(connection=place, purchased_at=at).pk for _ in range(6)]
    first = program.get("orders/?limit=3").json()
    OrderFactory(connection=place, purchased_at=at + timedelta(hours=1))
    rest = ids_of(program, first["next"])
    assert [row["id"] for row in first["results"]] + rest == sorted(old, reverse=True)


def test_the_next_page_asks_for_the_same(program: Program, place: Connection):
    for _ in range(3):
        a_case(place, diagnosis="unknown")
        a_case(place, diagnosis="structural")
    following = program.get("cases/?limit=2&diagnosis=unknown").json()["next"]
    assert parse_qs(urlsplit(following).query)["diagnosis"] == ["unknown"]
    assert program.get("journals/", cursor=parse_qs(urlsplit(following).query)["cursor"][0]).status_code == 422


def test_lists_are_narrowed_as_asked(program: Program, place: Connection):
    mine = a_case(place, team="ops", diagnosis="unknown", stake=900, worth=900)
    a_case(place)
    for asked in ({"team": "ops"}, {"diagnosis": "unknown"}, {"least": "500.00"}):
        assert [row["id"] for row in program.get("cases/", **asked).json()["results"]] == [mine.pk], asked
    order = a_held_order(place)
    OrderFactory(connection=place, changed_at=timezone.now() + timedelta(days=1))
    assert len(program.get("orders/").json()["results"]) == 2
    for asked in ({"route": "held"}, {"order_id": order.order_id}, {"view": "late"}, {"view": "to-ship"}):
        assert [row["id"] for row in program.get("orders/", **asked).json()["results"]] == [order.pk], asked
    since = {"changed_since": timezone.now().isoformat()}
    assert len(program.get("orders/", **since).json()["results"]) == 1
    listing = a_mapped_listing(place)
    assert [row["id"] for row in program.get("listings/", mapped="true").json()["results"]] == [listing.pk]
    (found,) = program.get("listings/", sku=listing.sku).json()["results"]
    assert [part["quantity"] for part in found["mappings"][0]["parts"]] == [1, 2]
