"""A replay says what the change then does, settlement by settlement, and the database lets it write nothing."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import InternalError, connection, transaction
from django.db.models import Sum
from django.db.utils import DatabaseError
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.ledger.models import Account, Journal, JournalLine
from apps.settlements import operations
from apps.settlements.approval import approve
from apps.settlements.closing import lock
from apps.settlements.exports import export
from apps.settlements.models import FeeRule, Resolution, RollUp
from apps.settlements.replay import CORRECTED, REBUILT, RETURNED, reading_only, replay
from apps.settlements.resolutions import rules_of
from apps.settlements.rule_versions import change, change_rule, spans_after
from tests.settlements.files import SALE, File, line
from tests.settlements.take import take

pytestmark = pytest.mark.django_db(transaction=True)

PILOT, STORAGE = "PilotFee", "PilotStorage"
NOVEMBER = {"posted_date": "03.11.2026", "posted_date_time": "03.11.2026 12:00:00 UTC"}


def fee(name: str, amount: str, **more) -> dict:
    return line(amount, amount_type="ItemFees", amount_description=name, **more)


def pattern(name: str, kind: str = "Order") -> dict:
    return {
        "marketplace": "", "transaction_type": kind, "amount_type": "ItemFees", "amount_description": name, "treatment": "",
    }  # fmt: skip


def settle(place) -> None:
    """Three settlements: one with both fees over two months, one with one, one with none."""
    both = (*SALE, fee(PILOT, "-6.00"), fee(STORAGE, "-2.00", **NOVEMBER))
    take(place, File(settlement_id="30000000001", lines=both))
    take(place, File(settlement_id="30000000002", lines=(*SALE, fee(PILOT, "-1.50"), fee(PILOT, "-1.25", **NOVEMBER))))
    take(place, File(settlement_id="30000000003"))


def rule_to(entity, actor, code: str, name: str = PILOT, since=date(2026, 1, 1), **more) -> FeeRule:
    account = Account.objects.get(entity=entity, code=code)
    return operations.map_fee(
        entity=entity, pattern=pattern(name, **more), since=since, account=account, tax_class=None, reason="-", actor=actor
    ).rule


def proposed(entity, actor, code: str, name: str, since, **more) -> FeeRule:
    account = Account.objects.get(entity=entity, code=code)
    return operations.new_rule(
        entity=entity, pattern=pattern(name, **more), since=since, account=account, tax_class=None, reason="-",
        actor=actor, rules=rules_of(entity),
    )  # fmt: skip


def seen(entity, spans, **which):
    with reading_only():
        return replay(entity, spans, **which or {"last": 10})


def test_the_database_refuses_every_write(entity, priya):
    with pytest.raises((InternalError, DatabaseError), match="read-only transaction"), reading_only():
        entity.save()


def test_a_replay_is_told_settlement_by_settlement(place, entity, priya, ian):
    settle(place)
    rule = rule_to(entity, priya, "5110")
    first = Journal.objects.filter(entity=entity, of_settlement__version__settlement__settlement_id="30000000001")
    mapped_one = Journal.objects.filter(entity=entity, of_settlement__version__settlement__settlement_id="30000000002")
    approve(journals=mapped_one, actor=ian)
    october = mapped_one.get(period=date(2026, 10, 1))
    export(journals=[october], format="generic", actor=ian)
    lock_month(entity, ian, first)
    account = Account.objects.get(entity=entity, code="5115")
    step = change(rule, account=account, tax_class=None, since=None, reason="-", actor=priya)
    found = seen(entity, spans_after(entity, rules_of(entity), [step]))
    assert found.looked_at == 3
    by_id = {each.settlement.settlement_id: each for each in found.found}
    assert by_id.keys() == {"30000000001", "30000000002"}
    second = by_id["30000000002"]
    (won,) = second.won
    assert (won.lines, won.money, won.before, won.after) == (
        2, Decimal("-2.75"), "5110 FBA fees", "5115 Returns handling",
    )  # fmt: skip
    moved = {each.name: each.change for each in second.moved}
    assert moved == {"5110 FBA fees": Decimal("-2.75"), "5115 Returns handling": Decimal("2.75")}
    assert [each.how for each in second.journals] == [CORRECTED, RETURNED]
    assert [each.how for each in by_id["30000000001"].journals] == [REBUILT]


def lock_month(entity, actor, journals) -> None:
    """The month of nothing here: a lock that is not in the way shows nothing."""
    assert not any(journal.period == date(2026, 7, 1) for journal in journals)
    lock(entity=entity, month=date(2026, 7, 1), actor=actor)


def test_the_last_or_those_of_a_period(place, entity, priya):
    settle(place)
    spans = spans_after(entity, rules_of(entity), [], [proposed(entity, priya, "5110", PILOT, date(2026, 1, 1))])
    assert seen(entity, spans, last=1).looked_at == 1
    assert seen(entity, spans, last=9, until=date(2020, 1, 1)).looked_at == 0
    assert seen(entity, spans, last=9, since=date(2020, 1, 1)).looked_at == 3


def test_more_settlements_cost_no_more_statements(place, entity, priya):
    settle(place)
    spans = spans_after(entity, rules_of(entity), [], [proposed(entity, priya, "5110", PILOT, date(2026, 1, 1))])

    def statements(last: int) -> int:
        with CaptureQueriesContext(connection) as queries:
            seen(entity, spans, last=last)
        return len(queries)

    assert statements(2) == statements(3)


def booked(entity) -> dict:
    """(settlement, account) -> debits less credits of all its journals, also those that left."""
    lines = JournalLine.objects.filter(journal__entity=entity).values_list(
        "journal__of_settlement__version__settlement__settlement_id", "account"
    )
    sums = lines.annotate(debits=Sum("debit"), credits=Sum("credit"))
    return {(settlement, account): debits - credits for settlement, account, debits, credits in sums}


def states(entity) -> dict:
    return {row.key: (row.state, row.lines_hash) for row in Journal.objects.filter(entity=entity)}


def mapping(entity) -> dict:
    """(settlement, day, fee) -> account, of every roll-up."""
    found = {}
    for cell in RollUp.objects.filter(version__settlement__entity=entity).select_related("version__settlement"):
        won = Resolution.objects.filter(signature=cell.signature_id, period__contains=cell.day).first()
        key = (cell.version.settlement.settlement_id, cell.day, cell.signature_id, cell.leg)
        found[key] = (cell.lines, won.rule.account_id if won else None)
    return found


@pytest.fixture
def settled(place, entity, priya, ian):
    settle(place)
    return entity, priya, ian


NAMES = [PILOT, STORAGE, "Pilot*", "*", "Commission"]
CODES = ["5110", "5115", "5190"]
DAYS = [date(2026, 1, 1), date(2026, 10, 27), date(2026, 11, 1), date(2026, 11, 4)]
drawn_rules = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(CODES), st.sampled_from(DAYS)), max_size=3)


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(
    before=drawn_rules, new=st.tuples(st.sampled_from(NAMES), st.sampled_from(CODES), st.sampled_from(DAYS)),
    changes=st.booleans(), leaves=st.booleans(),
)  # fmt: skip
def test_what_a_replay_says_is_what_the_change_does(settled, before, new, changes, leaves):
    entity, priya, ian = settled
    with transaction.atomic():  # each example on its own: what it leaves is rolled back
        rules = {}
        for name, code, since in before:
            if name not in rules:
                rules[name] = rule_to(entity, priya, code, name, since)
        if leaves and (drafts := list(Journal.objects.filter(entity=entity, state="draft"))):
            approve(journals=drafts, actor=ian)
            export(journals=drafts[:1], format="generic", actor=ian)
        name, code, since = new
        account = Account.objects.get(entity=entity, code=code)
        if changes and name in rules and rules[name].account != account:
            said = {"account": account, "tax_class": None, "since": since, "reason": "-", "actor": priya}
            spans = spans_after(entity, rules_of(entity), [change(rules[name], **said)])
            do = lambda: change_rule(rule=rules[name], **said)  # noqa: E731
        elif name not in rules:
            spans = spans_after(entity, rules_of(entity), [], [proposed(entity, priya, code, name, since)])
            do = lambda: rule_to(entity, priya, code, name, since)  # noqa: E731
        else:
            transaction.set_rollback(True)
            return
        found = seen(entity, spans)
        books, journals, maps = booked(entity), states(entity), mapping(entity)
        do()
        now = booked(entity)
        moved = {
            (each.settlement.settlement_id, account.account): account.change
            for each in found.found
            for account in each.moved
        }
        really = {key: now.get(key, 0) - books.get(key, 0) for key in now.keys() | books.keys()}
        assert moved == {key: amount for key, amount in really.items() if amount}
        after = states(entity)
        assert {journal.key for each in found.found for journal in each.journals} == {
            key for key in after.keys() | journals.keys() if after.get(key) != journals.get(key)
        }
        won = {}
        for key, (lines, to) in mapping(entity).items():
            if to != maps[key][1]:
                won[key[0]] = won.get(key[0], 0) + lines
        assert {each.settlement.settlement_id: each.lines for each in found.found if each.lines} == won
        transaction.set_rollback(True)
