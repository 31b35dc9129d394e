"""Open cases equal what the detectors find: after any operations their scoped sweeps leave nothing to a full one."""

from contextlib import suppress
from datetime import date, timedelta

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.errors import Refused
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.operations import perform, plan
from apps.exceptions.sweep import sweep, sweep_each
from apps.exceptions.types import REGISTRY, Scope
from apps.integrations.files import store
from apps.integrations.models import Connection
from apps.ledger.models import Account, Journal, JournalLine
from apps.ledger.periods import locked_months
from apps.settlements import accounts, causes, closing, leg_changes, legs, rule_versions, waiting
from apps.settlements.approval import approve
from apps.settlements.charts import apply_chart
from apps.settlements.exception_types.accounts import MOVE_RULES
from apps.settlements.exception_types.chains import CONFIRM_OPENING, END_CHAIN, MOVE_SETTLEMENT
from apps.settlements.exception_types.files import ACCEPT_COLUMN
from apps.settlements.exception_types.map_fee import MAP_FEE
from apps.settlements.exports import export
from apps.settlements.ingest import ingest
from apps.settlements.models import FeeRule, FileReading, ReserveChain
from tests.factories import ConnectionFactory, person
from tests.settlements.files import SALE, File, line, reserve

pytestmark = pytest.mark.django_db

FEES = [f"PilotFee{letter}" for letter in "ABCD"]
fee_lines = st.lists(st.tuples(st.sampled_from(FEES), st.integers(-500, 100).filter(bool)), max_size=4)
take_file = st.builds(
    lambda *values: ("take", *values),
    st.integers(1, 3), fee_lines, st.sampled_from([0, 0, 0, 1]), st.booleans(), st.booleans(), st.sampled_from([0, 0, 0, 0, 1]),
)  # fmt: skip
operation = st.one_of(
    take_file,
    st.tuples(st.just("map"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("chart")),
    st.tuples(st.just("legs"), st.sampled_from(["GB>GB", "GB>DE", "DE>FR"])),
    st.tuples(st.just("accept")),
    st.tuples(st.sampled_from(["lock", "unlock", "post_later"]), st.sampled_from([10, 11])),
    st.tuples(st.just("book")),
    st.tuples(st.just("undo"), st.integers(0, 3)),
    st.tuples(st.sampled_from(["close", "repoint"])),
    st.tuples(st.sampled_from(["open_chain", "part_chain", "end_chain"])),
)


class Company:
    """A company and what a person or a file may do to it."""

    def __init__(self) -> None:
        self.place: Connection = ConnectionFactory()
        self.entity = self.place.entity
        self.finance = person(Role.FINANCE, self.entity)
        self.second = person(Role.FINANCE, self.entity)

    def take(self, number, fees, gap, column, facilitator, torn) -> None:
        rows = [line(f"{cents / 100:.2f}", amount_type="ItemFees", amount_description=name) for name, cents in fees]
        if facilitator:
            rows.append(
                line("-19.99", amount_type="ItemWithheldTax", amount_description="MarketplaceFacilitatorVAT-Principal")
            )
        rows += reserve(given_back=f"{number - 1}0.00" if facilitator else "9.99", kept=f"{number}0.00")
        file = File(settlement_id=f"3000000000{number}", lines=(*SALE, *rows), extra={"note": "x"} if column else {})
        start = date(2026, 10, 24) + timedelta(days=14 * (number - 1))
        file = file.of_days(start, start + timedelta(days=14)).but(total="1.00" if gap else None)
        raw = file.bytes().replace(b"100.00", b"1OO.OO") if torn else file.bytes()
        stored = store(connection=self.place, name="settlement.txt", chunks=[raw], actor=self.finance)
        refused = FileReading.objects.filter(status="refused", replaced_by=None).first()
        ingest(file=stored, actor=self.finance, say=lambda *said: None, hold=lambda: None, replaces=refused)

    def map(self, which, family) -> None:
        case = self._case("settlement.fee-unmapped", which)
        account = Account.objects.filter(entity=self.entity, kind="expense").first()
        if case and account:
            data = {"account": account.pk, "tax": "none", "where": "everywhere", "match": "family" if family else "exact",
                    "since": case.facts["first"], "reason": "test"}  # fmt: skip
            self._perform(case, MAP_FEE, data)

    def accept(self) -> None:
        if case := self._case("settlement.column-unknown", 0):
            self._perform(case, ACCEPT_COLUMN, {"reason": "test"})

    def undo(self, which) -> None:
        rules = list(FeeRule.objects.in_force().filter(entity=self.entity, source="person").order_by("pk"))
        if rules and not rules[which % len(rules)].account.closed_at:
            rule_versions.undo_rule(rule=rules[which % len(rules)], reason="test", actor=self.finance)
            self._sweep(causes.JOURNALS)

    def close(self) -> None:
        if account := Account.objects.postable().filter(entity=self.entity, code="5100").first():
            accounts.close_account(account=account, reason="test", actor=self.finance)
            self._sweep(["ledger.account-missing"])

    def repoint(self) -> None:
        if case := self._case("ledger.account-missing", 0):
            to = Account.objects.get(entity=self.entity, code="5190")
            self._perform(case, MOVE_RULES, {"account": to.pk, "since": "", "reason": "test"})

    def open_chain(self) -> None:
        if case := self._case("settlement.opening-balance", 0):
            self._perform(case, CONFIRM_OPENING, {"amount": "9.99", "reason": "test"})

    def part_chain(self) -> None:
        if case := self._case("settlement.reserve-chain-broken", 0):
            name = f"Chain {ReserveChain.objects.count()}"
            data = {"settlement": case.subject, "to": "", "name": name, "reason": "test"}
            self._perform(case, MOVE_SETTLEMENT, data)

    def end_chain(self) -> None:
        if case := self._case("settlement.missing", 0):
            self._perform(case, END_CHAIN, {"reason": "test"})

    def _sweep(self, codes) -> None:
        sweep_each({code: Scope(entity=self.entity) for code in codes})

    def chart(self) -> None:
        apply_chart(chart="uk", entity=self.entity, actor=self.finance)

    def legs(self, leg) -> None:
        rows: list[legs.Leg] = [(SALE[0]["order-id"], *leg.split(">"))]
        leg_changes.load_order_legs(connection=self.place, rows=rows, actor=self.finance)

    def lock(self, month) -> None:
        self._of_month(closing.lock, month, actor=self.finance)

    def unlock(self, month) -> None:
        self._of_month(closing.ask_to_unlock, month, reason="test", actor=self.finance)
        self._of_month(closing.unlock, month, actor=self.second)

    def post_later(self, month) -> None:
        self._of_month(waiting.post_later, month, reason="test", actor=self.finance)

    def book(self) -> None:
        """Approve and export whatever can be."""
        for verb, more in ((approve, {}), (export, {"format": "generic"})):
            rows = Journal.objects.filter(entity=self.entity, state="draft" if verb is approve else "approved")
            with suppress(Refused), transaction.atomic():
                verb(
                    journals=[row for row in rows if row.period not in locked_months(self.entity)],
                    actor=self.second,
                    **more,
                )

    def _of_month(self, verb, month, **more) -> None:
        """As a deed does it: with the sweep of what it clears."""
        with suppress(Refused), transaction.atomic():
            verb(entity=self.entity, month=date(2026, month, 1), **more)
            sweep_each({code: Scope(entity=self.entity) for code in causes.MONTHS})

    def _case(self, code: str, which: int) -> Case | None:
        cases = list(Case.objects.live().filter(entity=self.entity, type=code).order_by("id"))
        return cases[which % len(cases)] if cases else None

    def _perform(self, case, action, data) -> None:
        _, now_planned = plan(case=case, action=action, actor=self.finance, data=data)
        if now_planned:
            perform(case=case, action=action, actor=self.finance, data=data, digest=now_planned.digest)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.lists(operation, min_size=1, max_size=7))
def test_scoped_sweeps_equal_a_full_sweep_and_every_journal_balances(operations_done):
    with transaction.atomic():  # each example on its own: what it leaves is rolled back
        company = Company()
        for verb, *values in operations_done:
            getattr(company, verb)(*values)
            for code in sorted(REGISTRY):
                swept = sweep(code, Scope(entity=company.entity))
                assert (swept.opened, swept.refreshed, swept.cleared) == (0, 0, 0), (verb, code)
        lines = JournalLine.objects.filter(journal__entity=company.entity)
        sides = lines.aggregate(debit=Sum("debit"), credit=Sum("credit"))
        assert sides["debit"] == sides["credit"]
        connection.check_constraints()  # the deferred ones too
        transaction.set_rollback(True)
