"""A locked month: nothing of it is approved or leaves, what comes late waits, and a second person unlocks it."""

import threading
from collections.abc import Callable
from datetime import date

import pytest
from django.db import IntegrityError, connections, transaction

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions.models import Case, State
from apps.exceptions.operations import PlanChanged, find_action, perform, plan
from apps.exceptions.sweep import sweep
from apps.exceptions.types import REGISTRY, Scope
from apps.ledger.approval import hash_of
from apps.ledger.models import Account, Journal, PeriodLock
from apps.ledger.periods import locked_months
from apps.settlements import closing, waiting
from apps.settlements.approval import approve
from apps.settlements.exports import export
from tests.factories import EntityFactory, person
from tests.settlements.files import SALE, File, line
from tests.settlements.take import take

pytestmark = pytest.mark.django_db(transaction=True)

OCTOBER, NOVEMBER, DECEMBER = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)
NEW_FEE = line("-4.20", amount_type="ItemFees", amount_description="NewReturnFee")
LATER = line("50.00", posted_date="03.11.2026", posted_date_time="03.11.2026 12:00:00 UTC")
IN_OCTOBER = {"start": "10.10.2026 00:00:00 UTC", "end": "24.10.2026 12:00:00 UTC"}


@pytest.fixture
def marta(entity):
    return person(Role.FINANCE, entity, name="Marta Lis")


def lock(entity, month, actor) -> PeriodLock:
    """As the screens do it: the case opens at once."""
    made = closing.lock(entity=entity, month=month, actor=actor)
    sweep("erp.period-closed", Scope(entity=entity))
    return made


def unlocked(entity, month, asks, confirms) -> PeriodLock:
    closing.ask_to_unlock(entity=entity, month=month, reason="A late file", actor=asks)
    return closing.unlock(entity=entity, month=month, actor=confirms)


def case_of(entity) -> Case | None:
    return Case.objects.live().filter(entity=entity, type="erp.period-closed").first()


def do(case: Case, name: str, actor, reason: str = "Books are reported"):
    action, data = find_action(case, name), {"reason": reason}
    _, planned = plan(case=case, action=action, actor=actor, data=data)
    return perform(case=case, action=action, actor=actor, data=data, digest=planned.digest)


def journals(entity) -> dict[str, Journal]:
    return {row.key.split(":", 2)[2]: row for row in Journal.objects.filter(entity=entity).order_by("key")}


# Locking


def test_the_preview_says_what_will_wait_and_locks_nothing(entity, place, marta):
    take(place, File(settlement_id="30000000001", **IN_OCTOBER))
    take(place, File(settlement_id="30000000002", lines=(*SALE, NEW_FEE), **IN_OCTOBER))
    planned = closing.preview_lock(entity=entity, month=OCTOBER)
    assert planned.says.startswith("2 journals of £240.00 will wait: each has to be posted in a later month")
    assert [(str(state), count) for state, count, _ in planned.detail["states"]] == [("incomplete", 1), ("draft", 1)]
    assert not locked_months(entity)


def test_a_month_of_exported_journals_is_locked_and_nothing_waits(entity, place, marta):
    take(place, File(**IN_OCTOBER))
    rows = list(Journal.objects.filter(entity=entity))
    approve(journals=rows, actor=marta)
    export(journals=rows, format="generic", actor=marta)
    assert closing.preview_lock(entity=entity, month=OCTOBER).says == "Its journal is exported, so nothing will wait."
    lock(entity, OCTOBER, marta)
    assert locked_months(entity) == {OCTOBER}
    assert case_of(entity) is None
    entry = AuditEntry.objects.about(f"period:{entity.pk}:2026-10").get()
    assert (entry.verb, entry.actor, entry.after) == ("period.locked", marta, {"waiting": 0})


def test_a_month_is_locked_once_and_not_before_it_begins(entity, marta):
    closing.lock(entity=entity, month=OCTOBER, actor=marta)
    with pytest.raises(Refused, match="October 2026 is locked already, by Marta Lis"):
        closing.lock(entity=entity, month=OCTOBER, actor=marta)
    with pytest.raises(Refused, match="January 2100 has not begun"):
        closing.lock(entity=entity, month=date(2100, 1, 1), actor=marta)


@pytest.mark.parametrize("role", [role for role in Role if role != Role.FINANCE])
def test_only_finance_locks_and_asks(entity, marta, role):
    other = person(role, entity)
    with pytest.raises(NotAllowed, match="Finance can"):
        closing.lock(entity=entity, month=OCTOBER, actor=other)
    closing.lock(entity=entity, month=OCTOBER, actor=marta)
    with pytest.raises(NotAllowed):
        closing.ask_to_unlock(entity=entity, month=OCTOBER, reason="x", actor=other)


def test_another_company_is_not_locked_with_it(entity, marta):
    closing.lock(entity=entity, month=OCTOBER, actor=marta)
    assert not locked_months(EntityFactory())


# Unlocking


def test_one_asks_with_a_reason_and_another_unlocks(entity, marta, priya):
    closing.lock(entity=entity, month=OCTOBER, actor=marta)
    with pytest.raises(Refused, match="Nobody has asked"):
        closing.unlock(entity=entity, month=OCTOBER, actor=marta)
    with pytest.raises(Refused) as without_reason:
        closing.ask_to_unlock(entity=entity, month=OCTOBER, reason=" ", actor=priya)
    assert without_reason.value.field == "reason"
    closing.ask_to_unlock(entity=entity, month=OCTOBER, reason="A late file", actor=priya)
    with pytest.raises(Refused, match="another person unlocks it"):
        closing.unlock(entity=entity, month=OCTOBER, actor=priya)
    assert locked_months(entity) == {OCTOBER}
    closing.unlock(entity=entity, month=OCTOBER, actor=marta)
    assert not locked_months(entity)
    told = AuditEntry.objects.about(f"period:{entity.pk}:2026-10").order_by("pk").values_list("verb", "reason")
    assert list(told) == [
        ("period.locked", ""),
        ("period.unlock-asked", "A late file"),
        ("period.unlocked", "A late file"),
    ]


def test_not_even_raw_statements_let_the_asker_unlock(entity, marta):
    made = closing.lock(entity=entity, month=OCTOBER, actor=marta)
    closing.ask_to_unlock(entity=entity, month=OCTOBER, reason="A late file", actor=marta)
    rows = PeriodLock.objects.filter(pk=made.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.update(unlocked_by=marta, unlocked_at="2026-11-20T00:00:00Z")
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.update(month=NOVEMBER)


def test_a_request_is_made_once_and_can_be_withdrawn(entity, marta, priya):
    closing.lock(entity=entity, month=OCTOBER, actor=marta)
    closing.ask_to_unlock(entity=entity, month=OCTOBER, reason="A late file", actor=priya)
    with pytest.raises(Refused, match="Priya Nair asked already: A late file"):
        closing.ask_to_unlock(entity=entity, month=OCTOBER, reason="Mine", actor=marta)
    closing.withdraw_request(entity=entity, month=OCTOBER, actor=priya)
    with pytest.raises(Refused, match="Nobody has asked"):
        closing.unlock(entity=entity, month=OCTOBER, actor=marta)
    entry = AuditEntry.objects.get(verb="period.unlock-withdrawn")
    assert entry.before == {"asked by": "Priya Nair", "reason": "A late file"}


def test_an_admin_may_unlock_but_not_lock_and_the_month_can_be_locked_again(entity, marta):
    closing.lock(entity=entity, month=OCTOBER, actor=marta)
    unlocked(entity, OCTOBER, marta, person(Role.ADMIN, entity))
    closing.lock(entity=entity, month=OCTOBER, actor=marta)
    assert PeriodLock.objects.filter(entity=entity, month=OCTOBER).count() == 2


# What waits


def test_a_late_file_is_taken_and_its_journal_waits_as_a_case(entity, place, marta):
    lock(entity, OCTOBER, marta)
    verdict = take(place, File(**IN_OCTOBER))
    assert verdict["status"] == "taken"
    assert "October 2026 is locked: its journal waits." in verdict["words"]
    case = case_of(entity)
    assert case.kind.headline(case) == "October 2026 is locked, and 1 journal of £120.00 waits for it"
    assert (case.subject, case.stake, case.currency) == ("2026-10", 0, "GBP")
    assert case.facts["amounts"] == {"GBP": "120.00"}
    assert case.facts["blocked"] == {"GBP": "105.00"}
    (row,) = case.facts["journals"]
    assert (row["key"], row["state"], row["amount"]) == ("stl:30000000001:202610:1", "draft", "120.00")
    with pytest.raises(Refused, match="October 2026 is locked"):
        approve(journals=Journal.objects.filter(entity=entity), actor=marta)


def test_the_case_weighs_each_currency_apart(entity, place, marta):
    take(place, File(settlement_id="30000000001", **IN_OCTOBER))
    take(place, File(settlement_id="30000000002", currency="EUR", lines=(*SALE, line("900.00")), **IN_OCTOBER))
    lock(entity, OCTOBER, marta)
    case = case_of(entity)
    assert case.kind.headline(case) == "October 2026 is locked, and 2 journals of €1,020.00 and £120.00 wait for it"
    assert (case.facts["amounts"]["EUR"], case.currency) == ("1020.00", "EUR")
    assert case.facts["blocked"] == {"EUR": "1005.00", "GBP": "105.00"}


def test_unlocking_ends_the_case_in_the_persons_name(entity, place, marta, priya):
    take(place, File(**IN_OCTOBER))
    lock(entity, OCTOBER, marta)
    case = case_of(entity)
    assert [action.name for action in case.kind.actions if action.available(case)] == ["post-later", "ask-to-unlock"]
    do(case, "ask-to-unlock", priya, "Amazon corrected the file")
    assert [action.name for action in case.kind.actions if action.available(case)] == ["post-later", "unlock"]
    with pytest.raises(Refused, match="another person unlocks it"):
        do(case, "unlock", priya)
    assert do(case, "unlock", marta).resolved
    case.refresh_from_db()
    assert (case.state, case.ended_by) == (State.RESOLVED, marta)
    approve(journals=Journal.objects.filter(entity=entity), actor=marta)


def test_what_waits_is_posted_in_the_first_open_month(entity, place, marta, priya):
    take(place, File(lines=(*SALE, LATER)))
    rows = journals(entity)
    approve(journals=list(rows.values()), actor=marta)
    lock(entity, OCTOBER, marta)
    lock(entity, NOVEMBER, marta)
    october = Case.objects.live().get(entity=entity, subject="2026-10")
    outcome = do(october, "post-later", priya)
    assert outcome.words == "1 journal is posted in December 2026 now."
    assert outcome.resolved
    after = journals(entity)
    moved, stayed = after["202610:1"], after["202611:1"]
    assert (moved.period, moved.dated, moved.state) == (DECEMBER, DECEMBER, "draft")
    assert moved.pk == rows["202610:1"].pk
    assert moved.returned == (
        "Marta Lis had approved it. Then Priya Nair moved it to December 2026, because October 2026 is locked."
    )
    assert hash_of([moved])[moved.pk] == moved.lines_hash != rows["202610:1"].lines_hash
    assert (stayed.period, stayed.state) == (NOVEMBER, "approved")
    entry = AuditEntry.objects.get(verb="journal.posted-later")
    assert (entry.subject, entry.reason) == (f"journal:{moved.pk}", "Books are reported")
    assert entry.before == {"month": "2026-10", "dated": "2026-10-31", "state": "approved"}
    assert entry.after == {"month": "2026-12", "dated": "2026-12-01"}


def test_a_journal_that_was_posted_later_stays_there_when_it_is_built_anew(entity, place, marta, priya):
    take(place, File(lines=(*SALE, NEW_FEE), **IN_OCTOBER))
    lock(entity, OCTOBER, marta)
    do(case_of(entity), "post-later", marta)
    (moved,) = journals(entity).values()
    assert (moved.period, moved.state) == (NOVEMBER, "incomplete")
    fee = Case.objects.live().get(entity=entity, type="settlement.fee-unmapped")
    action = find_action(fee, "map-fee")
    account = Account.objects.get(entity=entity, code="5190").pk
    data = {
        "account": account,
        "tax": "none",
        "where": "everywhere",
        "match": "exact",
        "since": "2026-10-01",
        "reason": "x",
    }
    _, planned = plan(case=fee, action=action, actor=priya, data=data)
    perform(case=fee, action=action, actor=priya, data=data, digest=planned.digest)
    moved.refresh_from_db()
    assert (moved.period, moved.dated, moved.state) == (NOVEMBER, NOVEMBER, "draft")
    assert case_of(entity) is None


def test_posting_later_is_refused_where_another_journal_came_between(entity, place, marta):
    take(place, File(settlement_id="30000000001", **IN_OCTOBER))
    lock(entity, OCTOBER, marta)
    case, data = case_of(entity), {"reason": "Reported"}
    action = find_action(case, "post-later")
    _, planned = plan(case=case, action=action, actor=marta, data=data)
    assert planned.effect == "Post 1 journal in November 2026"
    take(place, File(settlement_id="30000000002", **IN_OCTOBER))
    with pytest.raises(PlanChanged) as changed:
        perform(case=case, action=action, actor=marta, data=data, digest=planned.digest)
    assert changed.value.plan.effect == "Post 2 journals in November 2026"
    assert set(Journal.objects.filter(entity=entity).values_list("period", flat=True)) == {OCTOBER}


def test_nothing_is_moved_out_of_an_open_month(entity, place, marta):
    take(place, File(**IN_OCTOBER))
    with pytest.raises(Refused, match="Nothing waits for October 2026"):
        waiting.post_later(entity=entity, month=OCTOBER, reason="x", actor=marta)


def test_mapping_a_fee_says_which_locked_month_its_journal_waits_for(entity, place, marta):
    take(place, File(lines=(*SALE, NEW_FEE), **IN_OCTOBER))
    lock(entity, OCTOBER, marta)
    fee = Case.objects.live().get(entity=entity, type="settlement.fee-unmapped")
    account = Account.objects.get(entity=entity, code="5190").pk
    data = {
        "account": account,
        "tax": "none",
        "where": "everywhere",
        "match": "exact",
        "since": "2026-10-01",
        "reason": "x",
    }
    _, planned = plan(case=fee, action=find_action(fee, "map-fee"), actor=marta, data=data)
    assert planned.detail["map"].comparison.locked == {OCTOBER: 1}


def test_scoped_sweeps_leave_nothing_to_a_full_one(entity, place, marta, priya):
    """After each step through the doors, the cases are what the detectors find."""

    def agreed() -> None:
        for code in sorted(REGISTRY):
            swept = sweep(code, Scope(entity=entity))
            assert (swept.opened, swept.refreshed, swept.cleared) == (0, 0, 0), code

    lock(entity, OCTOBER, marta)
    take(place, File(lines=(*SALE, NEW_FEE), **IN_OCTOBER))
    agreed()
    do(case_of(entity), "ask-to-unlock", priya)
    agreed()
    do(case_of(entity), "post-later", marta)
    agreed()


# At once


def at_once(*works: Callable[[], object]) -> list[Exception | None]:
    """Run them in threads of their own; what each raised."""
    start, raised = threading.Barrier(len(works)), [None] * len(works)

    def run(place: int) -> None:
        try:
            start.wait()
            works[place]()
        except Refused as refused:
            raised[place] = refused
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return raised


def test_a_lock_and_an_approval_at_once_take_turns(entity, place, marta, priya):
    """Whichever is second sees the first: a journal is approved before its month is locked, or not at all."""
    for number in range(6):
        month = date(2026, 1 + number, 1)
        on = {"posted_date": f"10.{month:%m.%Y}", "posted_date_time": f"10.{month:%m.%Y} 12:00:00 UTC"}
        when = {"start": f"05.{month:%m.%Y} 00:00:00 UTC", "end": f"19.{month:%m.%Y} 00:00:00 UTC"}
        take(place, File(settlement_id=f"3000000000{number}", lines=(line("100.00", **on),), **when))
        rows = list(Journal.objects.filter(entity=entity, period=month))
        locking, approving = at_once(
            lambda month=month: closing.lock(entity=entity, month=month, actor=marta),
            lambda rows=rows: approve(journals=rows, actor=priya),
        )
        (row,) = Journal.objects.filter(entity=entity, period=month)
        assert locking is None and month in locked_months(entity)
        if approving is None:
            assert row.state == "approved"
            verbs = AuditEntry.objects.filter(subject__in=[f"journal:{row.pk}", closing.subject_of(entity, month)])
            assert list(verbs.order_by("pk").values_list("verb", flat=True)) == ["journal.approved", "period.locked"]
        else:
            assert row.state == "draft" and "is locked" in str(approving)


def test_two_people_lock_a_month_at_once_and_it_is_locked_once(entity, marta, priya):
    outcome = at_once(
        lambda: closing.lock(entity=entity, month=OCTOBER, actor=marta),
        lambda: closing.lock(entity=entity, month=OCTOBER, actor=priya),
    )
    assert sorted(type(each).__name__ for each in outcome) == ["NoneType", "Refused"]
    assert PeriodLock.objects.filter(entity=entity).count() == 1
