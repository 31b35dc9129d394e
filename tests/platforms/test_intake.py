"""What a platform reports: once however often it comes, all of it or nothing, and one case for each cause."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.errors import Refused
from apps.exceptions.models import Case, Diagnosis, State
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.integrations.models import CallFault, Connection
from apps.platforms import intake, operations
from apps.platforms.intake import CODE, MOST, Report
from apps.platforms.models import FailedRecord
from tests.factories import ConnectionFactory
from tests.platforms.conftest import MINUTE, TEN, at_once, do, failed, report, states, succeeded, the_case

pytestmark = pytest.mark.django_db(transaction=True)


def test_records_of_one_cause_are_one_case_with_their_money(platform):
    assert report(platform, *(failed(number) for number in range(1, 4))) == ["new"] * 3
    case = the_case(platform)
    assert (case.lines, case.stake, case.currency, case.team) == (3, Decimal("30.00"), "GBP", "ops")
    assert case.diagnosis == Diagnosis.STRUCTURAL
    assert case.kind.headline(case) == (
        "3 records of orders → ERP failed in Patchwork: Item … not found in company …"
    )
    report(platform, failed(4, text="Period 2026-10 is closed"), failed(5, flow="stock → shop"))
    assert Case.objects.live().filter(type=CODE).count() == 3


def test_words_that_differ_for_each_record_are_one_case_once_there_are_many(platform, monkeypatch):
    monkeypatch.setattr(intake, "MOST_CAUSES", 2)
    names = ["Anna", "Bo", "Cleo", "Dan"]
    batch = [failed(number, text=f"No account for {name}") for number, name in enumerate(names)]
    report(platform, *batch)
    report(platform, *batch)
    many = Case.objects.live().get(lines=2)
    assert Case.objects.live().count() == 3 and many.stake == Decimal("20.00")
    assert many.kind.headline(many) == "2 records of orders → ERP failed in Patchwork, in words that differ for each"
    report(platform, *(succeeded(number) for number in range(4)))
    assert not Case.objects.live().exists()


def test_the_same_report_again_changes_nothing(platform):
    report(platform, failed(1), failed(2))
    before = list(FailedRecord.objects.order_by("pk").values())
    assert report(platform, failed(1), failed(2)) == ["unchanged"] * 2
    assert list(FailedRecord.objects.order_by("pk").values()) == before


def test_a_newer_attempt_updates_and_an_older_one_does_not(platform):
    report(platform, failed(1, at=TEN))
    newer = failed(1, at=TEN + MINUTE, text="Timed out", code="", amount=None, currency="")
    assert report(platform, newer) == ["failed-again"]
    assert report(platform, failed(1, at=TEN - MINUTE)) == ["older"]
    record = FailedRecord.objects.get()
    assert (record.words, record.failures, record.amount, record.first_failed_at) == ("Timed out", 2, None, TEN)
    case = the_case(platform)  # the one of the cause before has ended
    assert (case.diagnosis, case.stake, case.facts["unpriced"]) == (Diagnosis.TRANSIENT, 0, 1)


def test_the_case_ends_when_the_last_one_succeeded_and_comes_back_when_one_fails_again(platform):
    report(platform, failed(1), failed(2))
    case = the_case(platform)
    assert report(platform, succeeded(1)) == ["succeeded"]
    assert the_case(platform).lines == 1
    report(platform, succeeded(2))
    case.refresh_from_db()
    assert (case.state, case.ended_by) == (State.CLEARED, None)
    assert case.kind.headline(case).startswith("1 record of orders → ERP failed in Patchwork")
    assert report(platform, succeeded(2, at=TEN), succeeded(9)) == ["unchanged", "unknown"]
    report(platform, failed(2, at=timezone.now() + MINUTE))
    assert the_case(platform).earlier == case


def test_what_was_before_the_success_reopens_nothing(platform):
    report(platform, failed(1, at=TEN))
    report(platform, succeeded(1, at=TEN + 5 * MINUTE))
    assert report(platform, failed(1, at=TEN + MINUTE)) == ["older"]
    report(platform, failed(2, at=TEN + 9 * MINUTE))
    assert report(platform, succeeded(2, at=TEN)) == ["older"]
    assert states() == {"r-1": "succeeded", "r-2": "failed"}


def test_a_later_success_is_newer_than_what_failed_between(platform):
    report(platform, failed(1, at=TEN))
    report(platform, succeeded(1, at=TEN + 2 * MINUTE))
    assert report(platform, succeeded(1, at=TEN + 9 * MINUTE)) == ["succeeded"]
    assert report(platform, failed(1, at=TEN + 5 * MINUTE)) == ["older"]
    assert states() == {"r-1": "succeeded"}


def test_one_id_in_two_flows_is_two_records_each_with_its_own_end(platform):
    assert report(platform, failed(1, flow="orders → ERP"), failed(1, flow="orders → 3PL")) == ["new"] * 2
    with pytest.raises(Refused, match="Say which one") as refused:
        report(platform, succeeded(2), succeeded(1))
    assert refused.value.field == "records.1.flow"
    assert report(platform, succeeded(1, flow="orders → ERP")) == ["succeeded"]
    assert the_case(platform).facts["flow"] == "orders → 3PL"
    assert report(platform, succeeded(1)) == ["succeeded"]
    assert not Case.objects.live().exists()


def test_amounts_that_no_case_holds_stop_no_other_case(platform):
    most = Decimal("9999999999.99")
    report(platform, *(failed(number, amount=most) for number in range(1, 13)))
    report(platform, failed(20, text="Period 2026-10 is closed"))
    assert list(Case.objects.live().order_by("stake").values_list("lines", flat=True)) == [1, 12]
    assert Case.objects.live().get(lines=12).facts["amounts"] == {"GBP": str(most * 12)}


def test_a_batch_with_a_fault_is_not_taken_at_all(platform):
    for faulty, field in (
        ([failed(1), failed(1)], "records.1.id"),
        ([failed(1), succeeded(1)], "records.1.id"),
        ([failed(1, link="https://platform.example/?buyer=anna%40example.com")], "records.0.link"),
        ([Report(id="anna@example.com", status="succeeded", at=TEN)], "records.0.id"),
        ([failed(1), failed(2, at=timezone.now() + timedelta(hours=1))], "records.1.at"),
        ([failed(number) for number in range(MOST + 1)], "records"),
    ):
        with pytest.raises(Refused) as refused:
            report(platform, *faulty)
        assert refused.value.field == field
    assert not FailedRecord.objects.exists()


def test_two_platforms_have_records_of_the_same_id(platform, entity, ian):
    other, _ = operations.connect(entity=entity, name="Second", address="", token="", actor=ian)
    report(platform, failed(1))
    report(other, failed(1))
    report(other, succeeded(1))
    assert the_case(platform).facts["connection"] == "Patchwork"


def test_the_same_batch_at_the_same_time_makes_each_record_once(platform):
    batch = [failed(number) for number in range(1, 6)]
    outcomes = sorted(at_once(lambda _: report(platform, *batch), 4))
    assert outcomes == [["new"] * 5, *([["unchanged"] * 5] * 3)]
    assert the_case(platform).lines == 5


def test_a_buyers_address_in_the_words_is_masked(platform):
    report(platform, failed(1, text="No account for anna.smith@example.com, call +44 20 7946 0958. " + "x" * 2000))
    report(platform, failed(1, about="order of anna@example.com", code="NO anna@example.com", at=TEN + 2 * MINUTE))
    record = FailedRecord.objects.get()
    assert (record.about, record.code) == ("order of (e-mail)", "NO (e-mail)") and "@" not in record.cause
    report(platform, failed(2, text="No account for anna.smith@example.com, call +44 20 7946 0958. " + "x" * 2000))
    words = FailedRecord.objects.get(external_id="r-2").words
    assert words.startswith("No account for (e-mail), call (phone).") and len(words) <= 500


def test_what_amazon_refused_in_that_minute_speaks_for_waiting(platform, entity):
    seller = ConnectionFactory(entity=entity, kind=Connection.Kind.AMAZON)
    CallFault.objects.create(connection=seller, at=TEN, operation="getOrders", words="503", verdict="transient")
    report(platform, failed(0, text="Run 1 went wrong", code=""), failed(1, text="Run 2 went wrong", code="", at=TEN))
    case = the_case(platform)
    assert case.diagnosis == Diagnosis.TRANSIENT
    assert ["Amazon did not answer 1 call of ours in the same minute: it may have been Amazon’s.", True] in case.facts["reasons"]


def test_what_a_person_did_by_hand_ends_the_case_and_fails_anew(platform, tom):
    report(platform, failed(1), failed(2))
    case = the_case(platform)
    assert do(case, tom, "by-hand", reason="Entered in the ERP").resolved
    assert set(states().values()) == {"by-hand"}
    report(platform, failed(1, at=timezone.now() + MINUTE))
    assert the_case(platform).lines == 1


NUMBER = st.integers(1, 3)
TOLD = st.lists(st.tuples(NUMBER, st.booleans(), st.integers(0, 5)), max_size=8)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(TOLD)
def test_in_whatever_order_and_however_often_it_comes_the_newest_word_holds(platform, told):
    """Where a failure and a success are of the same instant, the success holds."""
    FailedRecord.objects.all().delete()
    sweep(CODE, Scope(entity=platform.connection.entity))
    truth: dict[str, tuple[int, bool]] = {}
    for number, well, minute in told:
        at = TEN + minute * MINUTE
        one = Report(id=f"r-{number}", status="succeeded", at=at) if well else failed(number, at=at)
        report(platform, one)
        report(platform, one)
        name = f"r-{number}"
        if name in truth or not well:  # a success of what never failed is not kept
            truth[name] = max(truth.get(name, (-1, False)), (minute, well))
    expected = {name: "succeeded" if well else "failed" for name, (_, well) in truth.items()}
    assert states() == dict(sorted(expected.items()))
    assert sum(case.lines for case in Case.objects.live()) == list(expected.values()).count("failed")
