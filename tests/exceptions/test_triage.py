"""Whose a case is, and how long it may sleep."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role, Team
from apps.exceptions import operations
from apps.exceptions.lapses import wake_after_run, wake_lapsed
from apps.exceptions.models import Case, State
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from tests.exceptions.facts import HOLDS, LOOSE, drop, put
from tests.factories import EntityFactory, person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("test_types")]


@pytest.fixture
def case(entity) -> Case:
    put(entity)
    sweep(HOLDS, Scope(entity=entity))
    return Case.objects.get()


@pytest.fixture
def ian(entity):
    return person(Role.FINANCE, entity, name="Ian Grove")


# -- assigning ---------------------------------------------------------------------------------------------------------


def test_a_case_is_given_to_somebody_of_its_team_and_taken_back(case, marta, ian):
    assert operations.assign(case=case, actor=marta, to=ian).assigned_to == ian
    with pytest.raises(Refused, match="It is Ian Grove’s already"):
        operations.assign(case=case, actor=marta, to=ian)
    operations.claim(case=case, actor=ian)
    assert operations.release(case=case, actor=ian).assigned_to == ian
    assert operations.assign(case=case, actor=ian, to=None).assigned_to is None
    entry = AuditEntry.objects.get(verb="case.assigned", after__assigned_to="Ian Grove")
    assert (entry.actor, entry.before) == (marta, {"assigned_to": None})


def test_nobody_gets_a_case_that_he_cannot_work(case, entity, marta):
    for to in (person(Role.OPS, entity, name="Tom Reed"), person(Role.ADMIN, entity), person(Role.FINANCE, EntityFactory())):
        with pytest.raises(Refused, match="does not work on Finance exceptions") as refusal:
            operations.assign(case=case, actor=marta, to=to)
        assert refusal.value.field == "to"
    gone = person(Role.FINANCE, entity)
    gone.is_active = False
    gone.save()
    with pytest.raises(Refused, match="does not work on"):
        operations.assign(case=case, actor=marta, to=gone)
    with pytest.raises(NotAllowed):
        operations.assign(case=case, actor=person(Role.VIEWER, entity), to=marta)
    assert not AuditEntry.objects.filter(verb="case.assigned").exists()


def test_a_case_that_somebody_is_at_is_not_given_away_under_his_hands(case, marta, ian):
    operations.claim(case=case, actor=ian)
    with pytest.raises(Refused, match="Ian Grove is on this until"):
        operations.assign(case=case, actor=marta, to=marta)


def test_whose_it_is_ends_with_the_case_or_when_it_leaves(case, entity, marta, ian):
    operations.assign(case=case, actor=marta, to=ian)
    moved = operations.hand_over(case=case, actor=marta, team=Team.OPS, reason="A parcel, no fee")
    assert (moved.assigned_to, moved.team, moved.state) == (None, Team.OPS, State.OPEN)
    entry = AuditEntry.objects.get(verb="case.handed-over")
    assert entry.before["assigned_to"] == "Ian Grove" and entry.reason == "A parcel, no fee"
    tom = person(Role.OPS, entity)
    operations.assign(case=case, actor=tom, to=tom)
    drop(entity)
    sweep(HOLDS, Scope(entity=entity))
    case.refresh_from_db()
    assert (case.state, case.assigned_to) == (State.CLEARED, None)


# -- sleeping ----------------------------------------------------------------------------------------------------------


def woken(case: Case) -> str:
    """Why it woke; nothing while it sleeps."""
    case.refresh_from_db()
    entry = AuditEntry.objects.about(case.audit_subject).filter(verb="case.woken").first()
    assert (case.state == State.OPEN) == bool(entry)
    return entry.reason if entry else ""


def grow(entity, stake: str, currency: str = "GBP") -> None:
    put(entity, stake=stake, currency=currency)
    sweep(HOLDS, Scope(entity=entity))


def test_a_case_sleeps_until_more_is_at_stake(case, entity, marta):
    with pytest.raises(Refused, match=r"£100.00 is at stake already\. Choose a higher amount\.") as refusal:
        operations.snooze(case=case, actor=marta, above=Decimal("100"), reason="Small")
    assert refusal.value.field == "above"
    operations.snooze(case=case, actor=marta, above=Decimal("150.00"), reason="Small")
    wake_lapsed()
    grow(entity, "150")
    assert not woken(case)
    grow(entity, "150.01")
    assert woken(case) == "More than £150.00 is at stake now: £150.01."
    assert case.snoozed_above is None


def test_an_amount_in_another_currency_wakes_it_too(case, entity, marta):
    operations.snooze(case=case, actor=marta, above=Decimal("150.00"), reason="Small")
    grow(entity, "90", "EUR")
    assert woken(case) == "It slept until more than £150.00 is at stake. The amount is in EUR now: €90.00."


def test_a_case_sleeps_until_what_feeds_it_has_run(case, entity, marta):
    put(entity, "beta")
    sweep(HOLDS, Scope(entity=entity))
    beta = Case.objects.get(subject="beta")
    begun_before = timezone.now()
    for each in (case, beta):
        operations.snooze(case=each, actor=marta, next_run=True, reason="Amazon mends it")
    drop(entity, "beta")
    ran = {"entity": entity, "ran": "The feed “Orders” has run"}
    assert wake_after_run(**ran, codes=[HOLDS], begun_at=begun_before) == 0
    assert wake_after_run(**ran, codes=[LOOSE], begun_at=timezone.now()) == 0
    assert wake_after_run(**ran | {"entity": EntityFactory()}, codes=[HOLDS], begun_at=timezone.now()) == 0
    assert not woken(case)
    assert wake_after_run(**ran, codes=[HOLDS, LOOSE], begun_at=timezone.now()) == 1
    assert woken(case) == "The feed “Orders” has run, and the cause is still there."
    beta.refresh_from_db()
    assert beta.state == State.CLEARED


def test_a_check_that_fails_wakes_nobody(case, entity, marta):
    operations.snooze(case=case, actor=marta, next_run=True, reason="Amazon mends it")
    put(entity, "unreadable")
    assert wake_after_run(entity=entity, codes=[HOLDS], begun_at=timezone.now(), ran="It has run") == 0
    assert not woken(case)


@pytest.mark.parametrize("asked", [{"above": Decimal(900)}, {"next_run": True}])
def test_what_may_never_come_lets_nothing_sleep_past_its_deadline(case, entity, marta, asked):
    operations.snooze(case=case, actor=marta, reason="Small", **asked)
    wake_lapsed()
    assert not woken(case)
    put(entity, due_at=timezone.now())
    sweep(HOLDS, Scope(entity=entity))
    wake_lapsed()
    assert woken(case) == "Its deadline has come."
    with pytest.raises(Refused, match="Its deadline has passed, so it sleeps until a time alone"):
        operations.snooze(case=case, actor=marta, reason="Small", **asked)
    operations.snooze(case=case, actor=marta, reason="Small", until=timezone.now() + timedelta(hours=1))
    wake_lapsed()
    assert Case.objects.get().state == State.SNOOZED


def test_an_amount_is_of_the_currency_that_was_seen(case, marta):
    with pytest.raises(Refused, match="It is counted in GBP, not in EUR"):
        operations.snooze(case=case, actor=marta, above=Decimal(900), currency="EUR", reason="Small")


@pytest.mark.parametrize("alarms", [{}, {"above": Decimal(900), "next_run": True}])
def test_a_case_sleeps_for_one_thing(case, marta, alarms):
    with pytest.raises(Refused, match="Say until when"):
        operations.snooze(case=case, actor=marta, reason="Later", **alarms)


def test_who_takes_a_sleeping_case_wakes_it(case, marta):
    operations.snooze(case=case, actor=marta, above=Decimal(900), reason="Small")
    claimed = operations.claim(case=case, actor=marta)
    assert (claimed.state, claimed.snoozed_above) == (State.CLAIMED, None)
