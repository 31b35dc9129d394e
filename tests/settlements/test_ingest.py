"""From a file to lines, roll-ups, journals and cases, or to words that say why not."""

import random
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connection as database
from django.db.models import Sum

from apps.core.permissions import Role
from apps.integrations.files import open_raw
from apps.integrations.models import StoredFile
from apps.ledger.models import Journal
from apps.settlements.approval import approve
from apps.settlements.charts import apply_chart
from apps.settlements.models import (
    FeeRule,
    FeeSignature,
    FileReading,
    RollUp,
    Settlement,
    SettlementLine,
    SettlementVersion,
)  # fmt: skip
from apps.settlements.raw import raw_line
from tests.factories import ConnectionFactory, EntityFactory, person
from tests.settlements.files import SALE, File, line
from tests.settlements.take import figures, live_cases, take

pytestmark = pytest.mark.django_db(transaction=True)
HELD = File(total="1.00")


@pytest.fixture
def place():
    return ConnectionFactory()


@pytest.fixture
def charted(place):
    apply_chart(chart="uk", entity=place.entity, actor=person(Role.FINANCE, place.entity))
    return place


def live(place) -> list[tuple[str, str]]:
    return list(
        live_cases(entity=place.entity).order_by("type", "subject").values_list("type", "subject")
    )


def states(settlement_id: str = "30000000001") -> list[str]:
    versions = SettlementVersion.objects.filter(settlement__settlement_id=settlement_id)
    return list(versions.order_by("number").values_list("state", flat=True))


def test_a_file_that_ties_is_taken(charted):
    verdict = take(charted, File())
    assert figures(verdict, "status", "settlement_id", "currency", "lines", "sum", "total", "ties", "unmapped", "exceptions") == (
        "taken", "30000000001", "GBP", 3, "105.00", "105.00", True, [], []
    )  # fmt: skip
    assert [(journal["period"], journal["state"]) for journal in verdict["journals"]] == [
        ("2026-10", "draft"),
        ("2026-11", "draft"),
    ]


def test_each_unmapped_fee_is_one_case_and_no_rule_is_made_unasked(charted):
    rules = FeeRule.objects.count()
    fees = [line(f"-{n}.00", amount_type="ItemFees", amount_description=f"PilotFee{n % 3}") for n in range(1, 10)]
    verdict = take(charted, File(lines=(*SALE, *fees)))
    assert [code for code, _ in live(charted)] == ["settlement.fee-unmapped"] * 3
    assert [(fee["amount_description"], fee["lines"], fee["amount"]) for fee in verdict["unmapped"]] == [
        ("PilotFee0", 3, "-18.00"), ("PilotFee2", 3, "-15.00"), ("PilotFee1", 3, "-12.00")
    ]  # fmt: skip
    assert [journal["state"] for journal in verdict["journals"]] == ["incomplete", "draft"]
    assert FeeRule.objects.count() == rules


def test_two_spellings_of_a_fee_are_one_cause(charted):
    fees = (line("-1.00", amount_type="ItemFees", amount_description="Pilot Fee"),
            line("-2.00", amount_type="itemfees ", amount_description=" PILOT  fee"))  # fmt: skip
    take(charted, File(lines=(*SALE, *fees)))
    assert [code for code, _ in live(charted)] == ["settlement.fee-unmapped"]


def test_a_file_that_does_not_tie_is_held_with_the_difference(charted):
    verdict = take(charted, HELD)
    assert figures(verdict, "status", "reason", "ties", "journals") == ("held", "does-not-tie", False, [])
    case = live_cases().get()
    assert (case.type, case.subject, case.stake) == ("settlement.does-not-tie", "30000000001", Decimal(104))


def test_the_corrected_file_replaces_the_held_one_and_clears_its_case(charted):
    take(charted, HELD)
    assert take(charted, File())["status"] == "taken"
    assert (states(), live(charted)) == (["superseded", "taken"], [])
    assert Journal.objects.filter(of_settlement__version__state="taken").count() == Journal.objects.count() == 2


@pytest.mark.parametrize("other", [File(line_end="\r\n"), File(encoding="utf-8-sig"), File(line_end="\r")])
def test_the_same_rows_are_known_whatever_their_bytes(charted, other):
    take(charted, File())
    before = SettlementLine.objects.count()
    assert take(charted, other)["status"] == "known"
    assert (states(), SettlementLine.objects.count()) == (["taken"], before)


def test_other_rows_of_a_taken_settlement_wait_for_a_choice(charted):
    first = take(charted, File())
    second = take(charted, File(lines=(*SALE, line("5.00"))))
    assert figures(second, "status", "reason") == ("changed", "other-rows")
    assert live(charted) == [("settlement.changed", "30000000001")]
    assert states() == ["taken", "changed"]
    kept = Journal.objects.get(period="2026-10-01").lines.aggregate(sum=Sum("debit"))["sum"]
    assert first["journals"][0]["debit"] == f"{kept:.2f}"


def test_two_held_versions_wait_and_the_one_that_ties_ends_both(charted):
    take(charted, HELD)
    assert take(charted, File(total="2.00"))["status"] == "changed"
    assert take(charted, File())["status"] == "taken"
    assert (states(), live(charted)) == (["superseded", "superseded", "taken"], [])


def test_processing_a_held_version_again_leaves_it_held_beside_later_ones(charted):
    take(charted, HELD)
    take(charted, File(total="2.00"))
    assert take(charted, HELD, again=True)["status"] == "held"
    assert [code for code, _ in live(charted)] == ["settlement.changed", "settlement.does-not-tie"]


def test_currency_and_dates_are_those_of_the_version_that_is_taken(charted):
    take(charted, HELD.but(currency="EUR", end="07.12.2026 00:00:00 UTC"))
    verdict = take(charted, File())
    assert figures(verdict, "status", "currency") == ("taken", "GBP")
    assert [journal["period"] for journal in verdict["journals"]] == ["2026-10", "2026-11"]


def test_the_open_months_of_a_settlement_with_an_approved_journal_stay(charted):
    take(charted, File())
    approve(journals=Journal.objects.filter(period="2026-10-01"), actor=person(Role.FINANCE, charted.entity))
    take(charted, File(lines=(*SALE, line("5.00"))))
    assert set(Journal.objects.values_list("state", flat=True)) == {"approved", "draft"}


def test_an_approved_journal_keeps_its_version(charted):
    take(charted, File())
    approve(journals=Journal.objects.all(), actor=person(Role.FINANCE, charted.entity))
    SettlementVersion.objects.update(state="held")
    assert take(charted, File(lines=(*SALE, line("5.00"))))["status"] == "changed"


def test_the_same_settlement_under_another_connection_is_refused_and_names_it(charted):
    take(charted, File())
    beside = ConnectionFactory(entity=charted.entity, name="Garden account")
    verdict = take(beside, File(lines=(*SALE, line("1.00"))))
    assert figures(verdict, "status", "reason") == ("refused", "other-connection")
    assert charted.name in verdict["words"]


def test_another_companys_connection_is_not_named(charted):
    take(charted, File())
    verdict = take(ConnectionFactory(entity=EntityFactory()), File())
    assert verdict["status"] == "refused"
    assert charted.name not in verdict["words"]


def test_a_refused_file_leaves_only_its_raw_copy_and_its_case(charted):
    bad = File(lines=(*SALE, line("1.00", amount_type="NewFee"), line("twelve")), total="1.00")
    before = FeeSignature.objects.count()
    verdict = take(charted, bad)
    assert figures(verdict, "status", "reason", "line") == ("refused", "amount-unreadable", 7)
    for model in (Settlement, SettlementVersion, SettlementLine, RollUp, Journal):
        assert not model.objects.exists(), model
    assert FeeSignature.objects.count() == before
    stored = StoredFile.objects.get()
    assert live(charted) == [("file.layout-unknown", stored.sha256)]
    with open_raw(stored) as raw:
        assert raw.read() == bad.bytes()


def test_the_corrected_upload_ends_the_refused_files_case(charted):
    take(charted, File(lines=(line("twelve"),), total="1.00"))
    assert take(charted, File(), replaces=FileReading.objects.get().pk)["status"] == "taken"
    assert live(charted) == []


def test_a_refused_file_that_comes_again_after_its_correction_is_a_case_again(charted):
    bad = File(lines=(line("twelve"),), total="1.00")
    take(charted, bad)
    take(charted, File(), replaces=FileReading.objects.get().pk)
    assert take(charted, bad)["status"] == "refused"
    assert [code for code, _ in live(charted)] == ["file.layout-unknown"]


def test_an_extra_column_is_taken_and_raised(charted):
    verdict = take(charted, File(extra={"regulatory-note": "x"}))
    assert verdict["status"] == "taken"
    assert verdict["exceptions"] == [
        {"code": "settlement.column-unknown", "subject": f"{charted.name} | regulatory-note"}
    ]


def test_processing_a_held_file_again_reads_its_lines_anew(charted):
    take(charted, HELD)
    SettlementLine.objects.all().delete()
    RollUp.objects.all().delete()
    assert take(charted, HELD, again=True)["status"] == "held"
    assert (SettlementLine.objects.count(), states()) == (3, ["held"])


def test_two_uploads_at_once_give_one_taken_and_one_known(charted):
    def upload(file: File) -> str:
        try:
            return take(charted, file)["status"]
        finally:
            database.close()

    with ThreadPoolExecutor(2) as people:
        assert sorted(people.map(upload, [File(), File(line_end="\r\n")])) == ["known", "taken"]
    assert SettlementVersion.objects.count() == 1


def test_one_settlement_at_two_companies_at_once_is_taken_once(charted):
    def upload(place) -> str:
        try:
            return take(place, File(lines=SALE * 1000))["status"]
        finally:
            database.close()

    with ThreadPoolExecutor(2) as people:
        assert sorted(people.map(upload, [charted, ConnectionFactory()])) == ["refused", "taken"]


def test_days_are_those_of_the_companys_zone_and_a_line_after_the_end_belongs_to_it(charted):
    late = line("-1.00", transaction_type="other-transaction", order_id="", amount_type="other-transaction",
                amount_description="Current Reserve Amount", posted_date_time="01.11.2026 00:00:06 UTC")  # fmt: skip
    summer = line("9.00", posted_date_time="23.10.2026 23:30:00 UTC")
    verdict = take(charted, File(lines=(*SALE, summer, late), end="31.10.2026 23:59:59 UTC"))
    assert [journal["period"] for journal in verdict["journals"]] == ["2026-10"]
    days = RollUp.objects.order_by("day").values_list("day", flat=True)
    assert [f"{days.first():%d.%m}", f"{days.last():%d.%m}"] == ["24.10", "01.11"]


def test_every_figure_leads_to_the_byte_equal_raw_line(charted):
    rng = random.Random(7)
    lines = tuple(line(f"{rng.randrange(-9999, 9999) / 100:.2f}", sku=f"Ä{n}", order_id=f"A\\{n}") for n in range(500))
    raw = File(lines=lines, line_end="\r\n").bytes()
    take(charted, raw)
    version = SettlementVersion.objects.select_related("file").get()
    rows = raw.split(b"\r\n")
    with open_raw(version.file) as stream:
        for number in rng.sample(range(3, 503), 20):
            stored = SettlementLine.objects.get(version=version, line=number)
            assert raw_line(stream, stored.byte_offset, version.line_end) == rows[number - 1]
            assert stored.order_id == lines[number - 3]["order-id"]
    summed = RollUp.objects.filter(version=version).aggregate(
        lines=Sum("lines"), credit=Sum("credit"), debit=Sum("debit")
    )
    assert summed["lines"] == 500
    assert summed["credit"] - summed["debit"] == version.total == sum(Decimal(row["amount"]) for row in lines)
