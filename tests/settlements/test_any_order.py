"""Files come and people do what they may, in any order: what left stays, and all journals come to what the files say."""

import random
from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest

from apps.core.errors import Refused
from apps.core.permissions import Role
from apps.ledger.approval import hash_of
from apps.ledger.models import Account, ExportBatch, Journal, JournalLine, TaxClass, TaxCode
from apps.ledger.periods import locked_months
from apps.settlements import closing, journals
from apps.settlements.approval import approve, withdraw
from apps.settlements.exports import export
from apps.settlements.facts import read
from apps.settlements.leg_changes import load_order_legs
from apps.settlements.makers import makers
from apps.settlements.models import FeeRule, JournalPart, RollUp, SettlementVersion
from apps.settlements.operations import choose_tax_code, map_fee
from apps.settlements.rule_versions import change_rule, undo_rule
from apps.settlements.versions import choose_version
from apps.settlements.voiding import preview_void, void_batch
from apps.settlements.waiting import post_later
from tests.factories import person
from tests.settlements.files import File, line, reserve
from tests.settlements.take import take

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = 70
MONTHS = [date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1)]
SINCE = [*MONTHS, date(2026, 10, 27)]
DAYS = ["28.09.2026", "05.10.2026", "26.10.2026", "31.10.2026", "03.11.2026", "06.11.2026"]
ENDS = ["30.09.2026 23:00:00 UTC", "31.10.2026 12:00:00 UTC", "07.11.2026 00:00:00 UTC"]
FEES = ["NewFee1", "NewFee2", "FBAPerUnitFulfillmentFee"]
ORDERS = [f"202-000000{n}-000000{n}" for n in range(4)]
CODES = ["5110", "5115", "5120", "5130", "1200", "1210"]
OFTEN = {
    "read": 4, "choose": 4, "map": 6, "change": 5, "undo": 4, "tax": 1, "legs": 3, "approve": 10, "withdraw": 1, "export": 9,
    "void": 4, "lock": 2, "unlock": 3, "later": 2,
}  # fmt: skip


class Walk:
    """One company's people and files, driven by dice."""

    def __init__(self, seed: int, place, people):
        self.dice, self.place, self.entity, self.people = random.Random(seed), place, place.entity, people

    def step(self) -> str:
        (name,) = self.dice.choices(list(OFTEN), list(OFTEN.values()))
        try:
            getattr(self, name)()
        except Refused as refused:
            return f"{name}: {refused.words}"
        return name

    def some(self, rows):
        """Any of them, or a refusal as a person would meet it."""
        found = list(rows)
        if not found:
            raise Refused("There is none.")
        return self.dice.choice(found)

    @property
    def by(self) -> dict:
        return {"actor": self.dice.choice(self.people), "reason": "So said the dice"}

    def read(self) -> None:
        lines = [self._line() for _ in range(self.dice.randint(2, 7))]
        lines += reserve("10.00", "25.00") if self.dice.random() < 0.3 else ()
        number, end = self.dice.choice(["30000000001", "30000000002"]), self.dice.choice(ENDS)
        take(self.place, File(settlement_id=number, lines=tuple(lines), start="20.09.2026 00:00:00 UTC", end=end))

    def _line(self) -> dict:
        day = self.dice.choice(DAYS)
        when = {"posted_date": day, "posted_date_time": f"{day} 12:00:00 UTC", "order_id": self.dice.choice(ORDERS)}
        cents = Decimal(self.dice.randint(1, 9999)) / 100
        if self.dice.random() < 0.4:
            return line(f"{cents:.2f}", **when)
        return line(f"{-cents:.2f}", amount_type="ItemFees", amount_description=self.dice.choice(FEES), **when)

    def choose(self) -> None:
        version = self.some(SettlementVersion.objects.filter(state="changed"))
        choose_version(settlement=version.settlement, version=version, **self.by)

    def map(self) -> None:
        pattern = {
            "transaction_type": self.dice.choice(["Order", ""]), "amount_type": "ItemFees", "treatment": "",
            "amount_description": self.dice.choice([*FEES, "New*"]), "marketplace": self.dice.choice(["", "Amazon.co.uk"]),
        }  # fmt: skip
        map_fee(entity=self.entity, pattern=pattern, since=self.dice.choice(SINCE), **self._to(), **self.by)

    def change(self) -> None:
        change_rule(rule=self._rule(), since=self.dice.choice([None, *SINCE]), **self._to(), **self.by)

    def undo(self) -> None:
        undo_rule(rule=self._rule(), **self.by)

    def _rule(self) -> FeeRule:
        return self.some(
            FeeRule.objects.in_force().filter(amount_type__in=["ItemFees", "ItemPrice"]).order_by("-pk")[:6]
        )

    def _to(self) -> dict:
        tax_class = self.dice.choice([None, *TaxClass.objects.filter(entity=self.entity)])
        return {
            "account": Account.objects.get(entity=self.entity, code=self.dice.choice(CODES)),
            "tax_class": tax_class,
        }

    def tax(self) -> None:
        tax_class, code = (self.some(model.objects.filter(entity=self.entity)) for model in (TaxClass, TaxCode))
        leg, since = self.dice.choice(["GB>GB", "GB>DE"]), self.dice.choice(MONTHS)
        choose_tax_code(entity=self.entity, tax_class=tax_class, leg=leg, tax_code=code, since=since, **self.by)

    def legs(self) -> None:
        leg = (self.dice.choice(ORDERS), "GB", self.dice.choice(["GB", "DE", "FR"]))
        load_order_legs(connection=self.place, rows=[leg], actor=self.people[0])

    def approve(self) -> None:
        rows, actor, locked = list(Journal.objects.all()), self.by["actor"], locked_months(self.entity)
        made = makers(rows)
        for journal in approve(journals=rows, actor=actor):
            assert actor not in made.get(journal.pk, {}) and journal.period not in locked and journal.lines.exists()

    def withdraw(self) -> None:
        withdraw(journal=self.some(Journal.objects.filter(state="approved")), **self.by)

    def export(self) -> None:
        rows = [journal for journal in Journal.objects.filter(state="approved") if self.dice.random() < 0.8]
        export(journals=rows, format="generic", actor=self.by["actor"])

    def void(self) -> None:
        """It does what its preview says."""
        batch = self.some(ExportBatch.objects.filter(voided_at=None))
        before = {journal.key: journal for journal in Journal.objects.exclude(lines_hash="")}
        changes = preview_void(batch=batch, actor=self.people[0]).detail["changes"]
        void_batch(batch=batch, reason="So said the dice", actor=self.people[0])
        after = {journal.key: journal.get_state_display() for journal in Journal.objects.exclude(lines_hash="")}
        did = {key: after.get(key, "Gone") for key, row in before.items() if after.get(key) != row.get_state_display()}
        assert {change.journal.key: change.after.partition(":")[0] for change in changes} == did

    def lock(self) -> None:
        closing.lock(entity=self.entity, month=self.dice.choice(MONTHS), actor=self.by["actor"])

    def unlock(self) -> None:
        month, (one, another) = self.some(locked_months(self.entity)), self.dice.sample(self.people, 2)
        closing.ask_to_unlock(entity=self.entity, month=month, reason="So said the dice", actor=one)
        closing.unlock(entity=self.entity, month=month, actor=another)

    def later(self) -> None:
        post_later(entity=self.entity, month=self.dice.choice(MONTHS), **self.by)


def left() -> dict[str, list]:
    """What exported journals say, by key."""
    found = defaultdict(list)
    columns = (
        "journal__key",
        "journal__period",
        "journal__dated",
        "number",
        "account",
        "tax_code",
        "label",
        "debit",
        "credit",
    )
    for key, *said in JournalLine.objects.filter(journal__state="exported").order_by("number").values_list(*columns):
        found[key].append(said)
    return found


def sums(rows) -> dict:
    found = defaultdict(Decimal)
    for *key, amount in rows:
        found[tuple(key)] += amount
    return {key: amount for key, amount in found.items() if amount}


def check(entity) -> None:
    """All journals of a settlement come to its whole drafts, their parts to its roll-ups; each says what it was built to say."""
    for payout in journals.compute(read(entity, list(journals.buildable(entity)))):
        drafts = [
            (draft.period, row.account, row.tax_code, row.amount) for draft in payout.drafts for row in draft.lines
        ]
        lines = JournalLine.objects.filter(journal__of_settlement__version__settlement=payout.settlement)
        columns = ("journal__of_settlement__month", "account", "tax_code", "credit", "debit")
        assert sums((*place, credit - debit) for *place, credit, debit in lines.values_list(*columns)) == sums(drafts)
        parts = JournalPart.objects.filter(journal_line__in=lines).values_list("signature", "amount")
        cells = RollUp.objects.filter(version=payout.version).values_list("signature", "credit", "debit")
        assert sums(parts) == sums((fee, credit - debit) for fee, credit, debit in cells)
        forward = lines.filter(account__role="carried-forward").values_list("account", "credit", "debit")
        assert not sums((account, credit - debit) for account, credit, debit in forward)
    rows = list(Journal.objects.exclude(lines_hash="").select_related("of_settlement", "corrects__of_settlement"))
    hashes = hash_of(rows)
    for row in rows:
        booked, before = row.of_settlement, row.corrects
        assert hashes[row.pk] == row.lines_hash
        assert booked.month <= row.period == row.dated.replace(day=1)
        assert (booked.number == 1) == (before is None)
        if before:
            assert before.state == "exported" and before.of_settlement.number == booked.number - 1
            assert before.period <= row.period
    waits = [row.key.rpartition(":")[0] for row in rows if row.state != "exported"]
    assert len(waits) == len(set(waits)), "one journal of a month stands open at most"


@pytest.mark.parametrize("seed", range(4))
def test_in_any_order_the_books_come_to_what_the_files_say(seed, place, priya, ian):
    walk = Walk(seed, place, [priya, ian, person(Role.FINANCE, place.entity, name="Marta Lis")])
    walk.read()
    did: list[str] = []
    for _ in range(STEPS):
        before = left()
        did.append(walk.step())
        now = left()
        assert did[-1] == "void" or all(now.get(key) == said for key, said in before.items()), did
        check(place.entity)
    assert {"approve", "export", "change"} <= set(did)
