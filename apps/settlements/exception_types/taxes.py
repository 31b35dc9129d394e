"""What is wrong with tax: a fee whose leg no rule taxes, a facilitator contra that does not come to zero."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import groupby

from django.db import connection

from apps.core.money import ZERO, plain, words
from apps.core.permissions import Team
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import ExceptionType, Finding, Runbook, Scope, register
from apps.ledger.rules import tax_subject
from apps.settlements.exception_types.choose_tax_code import CHOOSE_TAX_CODE

CELLS = """
    FROM settlements_rollup cell
    JOIN settlements_settlementversion version ON version.id = cell.version_id AND version.state = 'taken'
    JOIN settlements_settlement settlement
        ON settlement.id = version.settlement_id AND settlement.entity_id = %(entity)s
    JOIN settlements_resolution resolution
        ON resolution.signature_id = cell.signature_id AND resolution.period @> cell.day
    JOIN settlements_feerule rule ON rule.id = resolution.rule_id
"""
UNTAXED = f"""
    SELECT class.id, class.name, taken.leg, settlement.settlement_id, settlement.currency, version.total,
           sum(cell.lines), sum(cell.credit), sum(cell.debit), min(cell.day)
    {CELLS}
    JOIN ledger_taxclass class ON class.id = rule.tax_class_id
    CROSS JOIN LATERAL (SELECT coalesce(nullif(cell.leg, ''), class.default_leg)) taken (leg)
    WHERE NOT EXISTS (SELECT FROM ledger_taxrule tax
                      WHERE tax.tax_class_id = class.id AND tax.leg IN (taken.leg, '*') AND tax.period @> cell.day)
    GROUP BY class.id, taken.leg, settlement.id, version.id
    ORDER BY class.name, taken.leg, settlement.end_at, settlement.settlement_id
"""
FACILITATED = f"""
    SELECT settlement.settlement_id, settlement.currency, version.total,
           sum(cell.lines), sum(cell.credit - cell.debit), sum(cell.credit), sum(cell.debit)
    {CELLS}
    JOIN ledger_account account ON account.id = rule.account_id AND account.role = 'facilitator'
    WHERE %(subjects)s::text[] IS NULL OR settlement.settlement_id = ANY(%(subjects)s)
    GROUP BY settlement.id, version.id
    HAVING sum(cell.credit - cell.debit) <> 0
    ORDER BY settlement.settlement_id
"""


def untaxed_legs(scope: Scope) -> Iterator[Finding]:
    """One finding for each tax class and leg that taken versions use on days without a tax rule."""
    for (name, leg), rows in groupby(_rows(UNTAXED, scope), key=lambda row: (row[1], row[2])):
        subject = tax_subject(name, leg)
        if scope.subjects is not None and subject not in scope.subjects:
            continue
        yield _untaxed(subject, name, leg, list(rows))


def _untaxed(subject: str, name: str, leg: str, rows: list[tuple]) -> Finding:
    gross: dict[str, Decimal] = {}
    blocked: dict[str, Decimal] = {}
    for _, _, _, _, currency, total, _, credit, debit, _ in rows:
        gross[currency] = gross.get(currency, ZERO) + credit + debit
        blocked[currency] = blocked.get(currency, ZERO) + max(total, ZERO)
    largest = max(sorted(gross), key=gross.__getitem__)
    return Finding(
        subject=subject,
        currency=largest,
        stake=gross[largest],
        lines=sum(row[6] for row in rows),
        facts={
            "tax_class_id": rows[0][0],
            "tax_class": name,
            "leg": leg,
            "first": min(row[9] for row in rows).isoformat(),
            "blocked": {currency: plain(amount, currency) for currency, amount in blocked.items()},
            "settlements": [
                {"settlement_id": settlement, "currency": currency, "lines": lines,
                 "amount": plain(credit - debit, currency), "payout": plain(total, currency)}
                for _, _, _, settlement, currency, total, lines, credit, debit, _ in rows
            ],
        },
    )  # fmt: skip


def facilitator_balances(scope: Scope) -> Iterator[Finding]:
    """One finding for each taken settlement whose tax of the marketplace facilitator is not withheld to the cent."""
    for settlement, currency, total, lines, balance, credit, debit in _rows(FACILITATED, scope):
        yield Finding(
            subject=settlement,
            currency=currency,
            stake=abs(balance),
            lines=lines,
            facts={
                "balance": plain(balance, currency),
                "credit": plain(credit, currency),
                "debit": plain(debit, currency),
                "settlements": [{"settlement_id": settlement, "currency": currency, "payout": plain(total, currency)}],
            },
        )


def _rows(statement: str, scope: Scope) -> list[tuple]:
    subjects = None if scope.subjects is None else sorted(scope.subjects)
    with connection.cursor() as cursor:
        cursor.execute(statement, {"entity": scope.entity.pk, "subjects": subjects})
        return cursor.fetchall()


def _facilitator_headline(case: Case) -> str:
    balance = Decimal(case.facts["balance"])
    side = "collected but not withheld" if balance > 0 else "withheld but not collected"
    return f"{words(abs(balance), case.currency)} of facilitator tax is {side} in settlement {case.subject}"


TAX_CODE_UNMAPPED = register(ExceptionType(
    code="ledger.tax-code-unmapped",
    title="Fee has no tax code for its leg",
    team=Team.FINANCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=True,
    floor=Decimal(50),
    respond_within=timedelta(days=2),
    detect=untaxed_legs,
    headline=lambda case: f"No tax code for {case.facts['tax_class']} from {case.facts['leg'].replace('>', ' to ')}",
    panel="cases/tax_code.html",
    actions=(CHOOSE_TAX_CODE,),
    runbook=Runbook(
        impact="The amounts have an account but no tax, so they stay out of it and their journals are incomplete.",
        steps=(
            "Read the country of the seller and the leg of the shipment: they decide which tax Amazon charges.",
            "Compare Amazon's tax invoice of the month: it shows the rate for this kind of fee and leg.",
            "Choose the code and the day from which it holds, read the preview, save.",
        ),
        prevention="Enter a tax rule for a new country before the first shipment from or to it.",
        escalate="To the tax adviser when the invoice shows no tax, or a rate that no code here has.",
    ),
))  # fmt: skip

FACILITATOR_NOT_ZERO = register(ExceptionType(
    code="settlement.facilitator-not-zero",
    title="Facilitator tax does not come to zero",
    team=Team.FINANCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=False,
    floor=Decimal(50),
    respond_within=timedelta(days=5),
    detect=facilitator_balances,
    headline=_facilitator_headline,
    panel="cases/facilitator.html",
    runbook=Runbook(
        impact="Tax that Amazon owes as facilitator must leave the books as it came. Here a rest stays.",
        steps=(
            "Look at the orders below: each has tax and withheld tax that differ.",
            "If a tax line of such an order is unmapped, map it: the rest goes with it.",
            "If a rule sends your own tax to the facilitator account, or withheld tax elsewhere, GL mapping names it.",
            "If the file lacks withheld lines, download it again and compare. The case ends at a rest of zero.",
        ),
        prevention="Keep the chart's rules for Tax and ItemWithheldTax: they follow who owes the tax, order by order.",
        escalate="To Amazon's seller support when a fresh download shows the same. Book no rest as your own tax.",
    ),
))  # fmt: skip
