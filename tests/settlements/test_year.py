"""A company's year: 26 settlements of one chain, with a negative one, a late one, a changed one and a locked month.

At its end clearing equals the payouts, nothing is carried forward, and the reserve is what the last file kept.
"""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db.models import Sum

from apps.exceptions import operations as engine
from apps.exceptions.models import Case
from apps.integrations.files import store
from apps.integrations.jobs import create, run_here
from apps.ledger.models import Account, Journal, JournalLine
from apps.settlements import closing
from apps.settlements.approval import approve
from apps.settlements.chain_changes import confirm_chain
from apps.settlements.chains import roll_forward
from apps.settlements.exports import export
from apps.settlements.models import READ_FILE, FeeRule, ReserveChain, SettlementVersion
from apps.settlements.rule_versions import change_rule
from opsconsole.demo.sheet import UK, Charge, text_of, total_of
from opsconsole.demo.sheet import Settlement as Sheet

pytestmark = pytest.mark.django_db(transaction=True)
FIRST, DAYS, SETTLEMENTS = date(2025, 11, 5), 14, 26
OPENING = Decimal("412.35")
LATE, CHANGED, NEGATIVE, REMAPPED = 9, 5, 14, 20
OTHER = ("other-transaction", "other-transaction")
ADS = ("ServiceFee", "Cost of Advertising", "TransactionTotalAmount")


def year() -> list[Sheet]:
    """Each opens with what the one before kept, and pays what it owed."""
    found, reserve, owed = [], OPENING, Decimal(0)
    for number in range(SETTLEMENTS):
        ads = "-500.00" if number == NEGATIVE else "-60.00"
        kept = Decimal("300.00") + 17 * number
        sheet = Sheet(
            number=str(21480000000 + number), market=UK, start=FIRST + timedelta(days=DAYS * number), days=DAYS,
            orders=16, refunds=2, reserve=str(kept), reserve_before=str(reserve), owed_before=str(owed),
            charges=(Charge(kind=ADS, amounts=(ads,)), Charge(kind=(*OTHER, "Storage Fee"), amounts=("-36.60",))),
        )  # fmt: skip
        total = total_of(sheet)
        assert (total < 0) == (number == NEGATIVE)
        found.append(sheet)
        reserve, owed = kept, min(total, Decimal(0))
    return found


def take(place, sheet: Sheet, **changed) -> str:
    text = text_of(sheet) if not changed else text_of(Sheet(**{**vars(sheet), **changed}))
    file = store(connection=place, name=f"{sheet.number}.txt", chunks=[text.encode()], actor=None)
    return run_here(create(kind=READ_FILE, entity=place.entity, file=file)).result["status"]


def book(place, actor) -> int:
    """Approve and export all that can be; how many journals left."""
    locked = place.entity.locks.filter(unlocked_at=None).values("month")
    drafts = list(Journal.objects.filter(entity=place.entity, state="draft").exclude(period__in=locked))
    if drafts:
        approve(journals=drafts, actor=actor)
        export(journals=drafts, format="generic", actor=actor)
    return len(drafts)


def do(case: Case, name: str, actor, data: dict) -> None:
    action = engine.find_action(case, name)
    _, plan = engine.plan(case=case, action=action, actor=actor, data=data)
    engine.perform(case=case, action=action, actor=actor, data=data, digest=plan.digest)


def balance(entity, role: str) -> Decimal:
    """Debits less credits of what has left."""
    lines = JournalLine.objects.filter(journal__entity=entity, journal__state="exported", account__role=role)
    sums = lines.aggregate(debit=Sum("debit"), credit=Sum("credit"))
    return sums["debit"] - sums["credit"]


def test_a_year_of_one_chain_comes_out_to_the_cent(place, entity, priya, ian):
    sheets = year()
    for number, sheet in enumerate(sheets):
        if number != LATE:
            assert take(place, sheet) == "taken"
            book(place, ian)
        if number == LATE + 2:  # the late one's first month is closed by now
            closing.lock(entity=entity, month=sheets[LATE].start.replace(day=1), actor=priya)
        if number == LATE + 3:
            waiting = Case.objects.live().get(entity=entity, type="settlement.reserve-chain-broken")
            assert "for a settlement from" in waiting.kind.headline(waiting)
            assert take(place, sheets[LATE]) == "taken"
            assert not Case.objects.live().filter(type="settlement.reserve-chain-broken").exists()
            locked = Case.objects.live().get(entity=entity, type="erp.period-closed")
            do(locked, "post-later", priya, {"reason": "The file came late."})
            book(place, ian)
        if number == CHANGED + 4:
            assert take(place, sheets[CHANGED], later=2) == "changed"
            changed = Case.objects.live().get(entity=entity, type="settlement.changed")
            second = SettlementVersion.objects.get(settlement__settlement_id=sheets[CHANGED].number, number=2)
            do(changed, "choose-version", priya, {"version": second.pk, "reason": "Downloaded again, Amazon agrees."})
            assert Journal.objects.filter(corrects__isnull=False).exists()
        if number == REMAPPED:
            rule = FeeRule.objects.in_force().get(
                entity=entity, transaction_type="other-transaction", amount_description="Storage Fee"
            )
            account = Account.objects.get(entity=entity, code="5130")
            change_rule(rule=rule, account=account, tax_class=rule.tax_class, since=None, reason="One line", actor=priya)
    book(place, ian)

    chain = ReserveChain.objects.get(connection=place)
    confirm_chain(chain=chain, actor=priya)
    opening = Case.objects.live().get(entity=entity, type="settlement.opening-balance")
    do(opening, "confirm-opening", priya, {"amount": str(OPENING), "reason": "As in last year's books."})

    assert set(Journal.objects.values_list("state", flat=True)) == {"exported"}
    assert not Case.objects.live().exclude(type="settlement.missing").exists()  # the year is over, so the next one is late
    taken = SettlementVersion.objects.filter(state="taken").select_related("settlement")
    assert len(taken) == SETTLEMENTS
    assert sum(version.total < 0 for version in taken) == 1
    payouts = sum(max(version.total, Decimal(0)) for version in taken)
    assert balance(entity, "clearing") == payouts
    assert balance(entity, "carried-forward") == 0
    assert OPENING + balance(entity, "reserve") == Decimal(sheets[-1].reserve) == roll_forward(chain).standing.kept
    moved = Journal.objects.filter(of_settlement__version__settlement__settlement_id=sheets[LATE].number)
    assert not moved.filter(period=sheets[LATE].start.replace(day=1)).exists()
    corrected = Journal.objects.filter(corrects__isnull=False)
    assert corrected.filter(key__contains=sheets[CHANGED].number).exists()
    assert all(journal.period >= journal.corrects.period for journal in corrected.select_related("corrects"))
