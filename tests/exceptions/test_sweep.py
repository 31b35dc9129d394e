"""Open cases equal what the detectors find now."""

import contextlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, connections

from apps.core.models import AuditEntry, ReferenceRate
from apps.core.permissions import Team
from apps.exceptions import reference
from apps.exceptions.models import Case, Diagnosis, State
from apps.exceptions.operations import dismiss, hand_over, snooze
from apps.exceptions.sweep import DetectorFailed, Swept, sweep, sweep_each, sweep_entity
from apps.exceptions.types import REGISTRY, Scope
from tests.exceptions.facts import HOLDS, LOOSE, drop, put
from tests.factories import EntityFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("test_types")]

DUE = datetime(2026, 11, 13, 17, 0, tzinfo=UTC)


def full(entity, code=HOLDS) -> Swept:
    return sweep(code, Scope(entity=entity))


def row_versions() -> list[tuple]:
    """Where each case lies: an UPDATE moves it, even one that changes nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, ctid::text FROM exceptions_case ORDER BY id")
        return cursor.fetchall()


def verbs(case) -> list[str]:
    return list(AuditEntry.objects.about(case.audit_subject).order_by("id").values_list("verb", flat=True))


def test_a_finding_opens_one_case_with_its_figures(entity):
    put(entity, "alpha", stake="1293.68", lines=418, due_at=DUE)
    swept = full(entity)
    case = Case.objects.get()
    assert (swept.opened, swept.refreshed, swept.cleared) == (1, 0, 0)
    assert swept.opened_ids == (case.pk,)
    assert (case.type, case.entity, case.subject, case.state) == (HOLDS, entity, "alpha", State.OPEN)
    assert (case.stake, case.currency, case.lines, case.due_at) == (Decimal("1293.68"), "GBP", 418, DUE)
    assert (case.worth, case.rate_known, case.team, case.holds_back) == (Decimal("1293.68"), True, Team.FINANCE, True)
    assert case.diagnosis == Diagnosis.STRUCTURAL
    assert case.facts == {"stake": "1293.68"}
    entry = AuditEntry.objects.about(case.audit_subject).get()
    assert (entry.verb, entry.actor, entry.after["stake"], entry.after["currency"]) == (
        "case.opened",
        None,
        "1293.6800",
        "GBP",
    )


def test_a_second_sweep_writes_no_row(entity, marta):
    for subject in ("alpha", "beta", "gamma"):
        put(entity, subject, code=LOOSE, stake="10.125", currency="EUR")
    full(entity, LOOSE)
    dismiss(case=Case.objects.get(subject="gamma"), actor=marta, reason="Known")
    before, audited = row_versions(), AuditEntry.objects.count()
    assert full(entity, LOOSE) == Swept()
    assert sweep(LOOSE, Scope(entity=entity, subjects=frozenset({"alpha"}))) == Swept()
    assert row_versions() == before
    assert AuditEntry.objects.count() == audited


def test_changed_figures_are_refreshed_and_audited(entity):
    put(entity, stake="100", lines=1)
    full(entity)
    put(entity, stake="250", lines=3)
    swept = full(entity)
    case = Case.objects.get()
    assert swept.refreshed_ids == (case.pk,)
    assert (case.stake, case.lines, case.facts) == (Decimal(250), 3, {"stake": "250"})
    entry = AuditEntry.objects.about(case.audit_subject).get(verb="case.changed")
    assert (entry.before["stake"], entry.before["lines"]) == ("100.0000", 1)
    assert (entry.after["stake"], entry.after["lines"]) == ("250.0000", 3)


def test_another_deadline_is_refreshed_without_a_line_in_the_audit(entity):
    put(entity, due_at=DUE)
    full(entity)
    score = Case.objects.get().score
    put(entity, due_at=DUE + timedelta(days=1))
    assert full(entity).refreshed == 1
    case = Case.objects.get()
    assert case.score == pytest.approx(score - 1)
    assert verbs(case) == ["case.opened"]


def test_without_a_deadline_of_its_own_a_case_keeps_the_one_it_opened_with(entity):
    put(entity)
    full(entity)
    case = Case.objects.get()
    assert case.due_at == case.opened_at + timedelta(days=2)
    put(entity, stake="300")
    full(entity)
    again = Case.objects.get()
    assert (again.due_at, again.opened_at) == (case.due_at, case.opened_at)


def test_a_cause_that_is_gone_clears_its_case_with_the_evidence(entity):
    put(entity, "alpha")
    put(entity, "beta")
    full(entity)
    drop(entity, "alpha")
    swept = full(entity)
    case = Case.objects.get(subject="alpha")
    assert swept.ended_ids == (case.pk,)
    assert (case.state, case.ended_by) == (State.CLEARED, None)
    assert case.ended_at is not None
    assert case.ending["words"] == f"A check of all of {entity.name} finds 1 of this kind, and this one is gone."
    assert verbs(case) == ["case.opened", "case.cleared"]
    assert Case.objects.get(subject="beta").is_live


def test_a_snoozed_case_clears_too(entity, marta):
    put(entity)
    full(entity)
    until = datetime.now(UTC) + timedelta(days=1)
    snooze(case=Case.objects.get(), actor=marta, until=until, reason="Waits for Amazon")
    drop(entity)
    full(entity)
    case = Case.objects.get()
    assert (case.state, case.snoozed_until) == (State.CLEARED, None)


def test_a_scoped_sweep_touches_only_its_subjects(entity):
    for subject in ("alpha", "beta"):
        put(entity, subject, code=LOOSE)
    full(entity, LOOSE)
    drop(entity, "alpha", code=LOOSE)
    drop(entity, "beta", code=LOOSE)
    put(entity, "gamma", code=LOOSE)
    put(entity, "delta", code=LOOSE)
    swept = sweep(LOOSE, Scope(entity=entity, subjects=frozenset({"beta", "delta"})))
    assert (swept.opened, swept.cleared) == (1, 1)
    assert set(Case.objects.live().values_list("subject", flat=True)) == {"alpha", "delta"}


def test_companies_and_types_are_kept_apart(entity):
    other = EntityFactory()
    put(entity, "alpha")
    put(other, "alpha")
    put(entity, "alpha", code=LOOSE)
    for company in (entity, other):
        sweep_each({HOLDS: Scope(entity=company), LOOSE: Scope(entity=company)})
    drop(entity, "alpha")
    full(entity)
    assert set(Case.objects.live().values_list("entity", "type")) == {(other.pk, HOLDS), (entity.pk, LOOSE)}


def test_a_case_that_comes_back_names_the_earlier_one(entity):
    for _ in range(3):
        put(entity)
        full(entity)
        drop(entity)
        full(entity)
    first, second, third = Case.objects.order_by("id")
    assert (first.earlier, second.earlier, third.earlier) == (None, first, second)
    entry = AuditEntry.objects.about(third.audit_subject).get(verb="case.opened")
    assert entry.after["earlier"] == second.pk


def test_a_dismissal_holds_until_its_cause_was_gone(entity, marta):
    put(entity, code=LOOSE)
    full(entity, LOOSE)
    dismissed = dismiss(case=Case.objects.get(), actor=marta, reason="Known and harmless")
    put(entity, code=LOOSE, stake="900")
    assert full(entity, LOOSE) == Swept()
    drop(entity, code=LOOSE)
    assert full(entity, LOOSE) == Swept()
    put(entity, code=LOOSE)
    assert full(entity, LOOSE).opened == 1
    assert Case.objects.live().get().earlier == dismissed


def test_a_case_handed_over_stays_there_and_still_clears(entity, marta):
    put(entity)
    full(entity)
    hand_over(case=Case.objects.get(), actor=marta, team=Team.OPS, reason="The file is theirs")
    put(entity, stake="999")
    assert full(entity).refreshed == 1
    assert Case.objects.get().team == Team.OPS
    drop(entity)
    assert full(entity).cleared == 1


def test_money_of_another_currency_ranks_at_the_rate_of_the_day_it_opened(entity):
    ReferenceRate.objects.create(entity=entity, currency="EUR", since=date(2020, 1, 1), rate=Decimal("0.5"))
    ReferenceRate.objects.create(entity=entity, currency="EUR", since=date(2020, 6, 1), rate=Decimal("0.85"))
    ReferenceRate.objects.create(entity=entity, currency="EUR", since=date(2999, 1, 1), rate=Decimal("2"))
    put(entity, "euro", stake="200", currency="EUR")
    put(entity, "pound", stake="170", currency="GBP")
    put(entity, "yen", stake="170", currency="JPY")
    full(entity)
    euro, pound, yen = (Case.objects.get(subject=subject) for subject in ("euro", "pound", "yen"))
    assert (euro.worth, euro.rate_known) == (Decimal(170), True)
    assert (yen.worth, yen.rate_known) == (Decimal(170), False)
    assert euro.score == pound.score == yen.score
    assert "counted 1:1 in GBP because no JPY rate is entered" in reference.score_words(yen)


def test_a_failing_detector_clears_nothing_and_stops_no_other(entity, caplog):
    put(entity, "alpha")
    put(entity, "alpha", code=LOOSE)
    sweep_entity(entity)
    drop(entity, "alpha")
    drop(entity, "alpha", code=LOOSE)
    put(entity, "unreadable")
    with pytest.raises(DetectorFailed) as failure:
        full(entity)
    assert failure.value.words == (
        "The check “A test fact holds work back” failed, so nothing was changed. The cause is in the log."
    )
    swept = sweep_entity(entity)
    assert HOLDS not in swept
    assert swept[LOOSE].cleared == 1
    assert Case.objects.live().get().type == HOLDS
    assert "this fact cannot be read" in caplog.text


@pytest.mark.parametrize(
    "fault", [{"subject": ""}, {"stake": "-1"}, {"lines": -1}, {"currency": "pounds"}, {"subject": "x" * 601}]
)
def test_a_finding_that_no_case_can_hold_is_the_detectors_failure(entity, fault):
    put(entity, "alpha")
    full(entity)
    drop(entity, "alpha")
    put(entity, **{"subject": "beta"} | fault)
    with pytest.raises(DetectorFailed):
        full(entity)
    assert Case.objects.live().get().subject == "alpha"


def test_every_type_is_swept(entity):
    put(entity)
    assert set(sweep_entity(entity)) == set(REGISTRY)


def vacuum(table: str) -> None:
    """As the autovacuum does, beside the open transaction."""
    beside = connections["owner"].copy()
    with contextlib.closing(beside), beside.cursor() as cursor:
        cursor.execute(f"VACUUM {table}")


def test_a_hundred_thousand_findings(entity):
    """Set-based throughout. A vacuum in between sees no new case yet and tells the planner that there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO test_fact SELECT %s, %s, 'subject ' || n, n, 'GBP', 1, NULL FROM generate_series(1, 100000) n",
            [HOLDS, entity.pk],
        )
    assert full(entity).opened == 100_000
    vacuum("exceptions_case")
    assert full(entity) == Swept()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE test_fact SET stake = stake + 1 WHERE lines = 1 AND stake <= 50000")
        cursor.execute("DELETE FROM test_fact WHERE stake > 90000")
    swept = full(entity)
    assert (swept.refreshed, swept.cleared) == (50_000, 10_000)
    assert Case.objects.live().count() == 90_000
