"""The worked example of the samples comes out to the cent with the UK chart."""

import json
import os
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings

from apps.core.permissions import Role
from apps.integrations.files import store
from apps.integrations.jobs import create, run_here
from apps.integrations.models import Connection, JobState
from apps.ledger.models import Journal
from apps.settlements import legs
from apps.settlements.charts import apply_chart
from apps.settlements.leg_changes import load_order_legs
from apps.settlements.models import READ_FILE, JournalPart, RollUp, SettlementLine
from tests.factories import ConnectionFactory, EntityFactory, person
from tests.settlements.take import live_cases

SAMPLES = Path(settings.BASE_DIR).parent / "shared" / "samples"
EXAMPLE = SAMPLES / "settlement-worked-example"


@pytest.fixture
def samples():
    if not EXAMPLE.exists():
        if os.environ.get("REQUIRE_SAMPLES") == "1":
            pytest.fail(f"{EXAMPLE} is missing, and REQUIRE_SAMPLES=1")
        pytest.skip(f"{EXAMPLE} is not here: the worked example was not checked")
    return SAMPLES


def read(path: Path, connection: Connection) -> dict:
    with path.open("rb") as stream:
        file = store(connection=connection, name=path.name, chunks=[stream.read()], actor=None)
    job = run_here(create(kind=READ_FILE, entity=connection.entity, file=file))
    assert job.state == JobState.DONE, job.error
    return job.result


def by_account(journal: Journal) -> dict[str, Decimal]:
    """Account with its code -> debit less credit."""
    found = defaultdict(Decimal)
    for line in journal.lines.select_related("account"):
        found[str(line.account)] += line.debit - line.credit
    return dict(found)


def expected(month: dict) -> dict[str, Decimal]:
    debits = {name: Decimal(amount) for name, amount in month["debit"].items()}
    credits = {name: -Decimal(amount) for name, amount in month["credit"].items()}
    return debits | credits | dict.fromkeys(month.get("zero", []), Decimal(0))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", ["legs", "file"])
def test_the_worked_example_comes_out_to_the_cent(samples, first):
    entity = EntityFactory()
    priya = person(Role.FINANCE, entity)
    place = ConnectionFactory(entity=entity)
    apply_chart(chart="uk", entity=entity, actor=priya)
    with (EXAMPLE / "order-legs.csv").open() as source:
        rows = legs.read(source, "order-legs.csv")
    steps = {
        "legs": lambda: load_order_legs(connection=place, rows=rows, actor=priya),
        "file": lambda: read(EXAMPLE / "UK_GBP_2026_worked.txt", place),
    }
    for name in sorted(steps, reverse=first == "legs"):
        steps[name]()
    wanted = json.loads((EXAMPLE / "journals.json").read_text())
    october, november = Journal.objects.order_by("period")
    assert by_account(october) == expected(wanted["2026-10"])
    assert by_account(november) == expected(wanted["2026-11"])
    for journal, month in ((october, "2026-10"), (november, "2026-11")):
        assert sum(line.debit for line in journal.lines.all()) == Decimal(wanted[month]["total"])
        assert journal.state == Journal.State.DRAFT
        assert journal.default_leg_lines == 0
    assert [str(journal.dated) for journal in (october, november)] == ["2026-10-31", "2026-11-07"]
    assert [journal.key for journal in (october, november)] == ["stl:30000000001:202610:1", "stl:30000000001:202611:1"]
    assert live_cases(entity=entity).get().type == "settlement.opening-balance"
    assert {str(part.leg) for part in JournalPart.objects.filter(leg__contains=">")} == {"GB>GB", "GB>DE"}


@pytest.mark.django_db(transaction=True)
def test_without_legs_the_journal_says_what_took_the_default(samples):
    entity = EntityFactory()
    apply_chart(chart="uk", entity=entity, actor=person(Role.FINANCE, entity))
    read(EXAMPLE / "UK_GBP_2026_worked.txt", ConnectionFactory(entity=entity))
    october, november = Journal.objects.order_by("period")
    assert (october.default_leg_lines, october.default_leg_amount) == (2, Decimal("309.80"))
    assert (november.default_leg_lines, november.default_leg_amount) == (1, Decimal("150.00"))
    assert by_account(october)["5110 FBA fees"] == Decimal("258.17")  # 309.80 at 20 %


@pytest.mark.django_db(transaction=True)
def test_rolling_up_from_lines_equals_what_the_ingest_wrote(samples):
    entity = EntityFactory()
    read(EXAMPLE / "UK_GBP_2026_worked.txt", ConnectionFactory(entity=entity))
    cells = ("signature_id", "day", "lines", "credit", "debit")
    before = sorted(RollUp.objects.values_list(*cells))
    place = Connection.objects.get()
    load_order_legs(connection=place, rows=[("202-0000001-0000001", "GB", "GB")], actor=None)
    split = RollUp.objects.filter(leg="GB>GB")
    assert (
        sum(cell.lines for cell in split) == SettlementLine.objects.filter(order_id="202-0000001-0000001").count() == 8
    )
    RollUp.objects.update(leg="")
    assert sorted(RollUp.objects.values_list(*cells)) == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("chart", "country", "zone", "path"),
    [
        ("de", "DE", "Europe/Berlin", "settlement-de-2024/DE_EUR_2024-09-13_v2.txt"),
        ("us", "US", "America/Los_Angeles", "settlement-us-2017/SC_test_File.txt"),
    ],
)
def test_the_other_charts_leave_no_fee_of_their_sample_unmapped(samples, chart, country, zone, path):
    entity = EntityFactory(country=country, zone=zone)
    apply_chart(chart=chart, entity=entity, actor=person(Role.ADMIN, entity))
    verdict = read(samples / path, ConnectionFactory(entity=entity))
    assert verdict["unmapped"] == []
    assert {journal["state"] for journal in verdict["journals"]} == {"draft"}
    assert verdict["exceptions"] == []
