"""What differs between two versions of a settlement: the lines that one has more often than the other, and their money."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import connection

from apps.core.money import ZERO
from apps.ledger.models import Account
from apps.settlements.models import FeeSignature, SettlementVersion

SHOWN = 50
COLUMNS = "signature_id, posted_at, amount, order_id, order_item_code, sku, quantity, fulfillment"

# Equal lines are legitimate, so it is their numbers that are compared. Neighbours in the order of the rows are the two
# sides of a line of which one field changed.
ODD = f"""
    WITH odd AS (
        SELECT {COLUMNS},
               count(*) FILTER (WHERE version_id = %(other)s) - count(*) FILTER (WHERE version_id = %(kept)s) AS more,
               max(line) FILTER (WHERE version_id = %(kept)s) AS kept_line,
               max(line) FILTER (WHERE version_id = %(other)s) AS other_line
        FROM settlements_settlementline
        WHERE version_id IN (%(kept)s, %(other)s)
        GROUP BY {COLUMNS}
        HAVING count(*) FILTER (WHERE version_id = %(other)s) <> count(*) FILTER (WHERE version_id = %(kept)s)
    )
    SELECT more > 0, CASE WHEN more > 0 THEN other_line ELSE kept_line END, abs(more), {COLUMNS},
           sum(greatest(-more, 0)) OVER (), sum(greatest(-more, 0) * amount) OVER (),
           sum(greatest(more, 0)) OVER (), sum(greatest(more, 0) * amount) OVER ()
    FROM odd
    ORDER BY order_id, order_item_code, signature_id, posted_at, sku, more > 0, amount
    LIMIT %(shown)s
"""
# By the mapping of today, gross: tax is taken out in journals alone.
MONEY = """
    SELECT rule.account_id,
           coalesce(sum(cell.credit - cell.debit) FILTER (WHERE cell.version_id = %(kept)s), 0),
           coalesce(sum(cell.credit - cell.debit) FILTER (WHERE cell.version_id = %(other)s), 0)
    FROM settlements_rollup cell
    LEFT JOIN settlements_resolution resolution
        ON resolution.signature_id = cell.signature_id AND resolution.period @> cell.day
    LEFT JOIN settlements_feerule rule ON rule.id = resolution.rule_id
    WHERE cell.version_id IN (%(kept)s, %(other)s)
    GROUP BY rule.account_id
"""


@dataclass(frozen=True, kw_only=True)
class OddLine:
    """A line that `version` has `times` more often than the other one does; `line` is the last of them in its file."""

    version: SettlementVersion
    line: int
    times: int
    signature: FeeSignature
    posted_at: datetime
    amount: Decimal
    order_id: str
    order_item_code: str
    sku: str
    quantity: int | None
    fulfillment: str


@dataclass(frozen=True, kw_only=True)
class Side:
    """A version, and how many of its lines the other one lacks, with their sum."""

    version: SettlementVersion
    lines: int = 0
    amount: Decimal = ZERO


@dataclass(frozen=True, kw_only=True)
class AccountMoney:
    """What the lines of both versions come to on an account, signed as Amazon signs it. None: no account."""

    account: Account | None
    kept: Decimal
    other: Decimal

    @property
    def change(self) -> Decimal:
        return self.other - self.kept


@dataclass(frozen=True, kw_only=True)
class Difference:
    """`shown` are the first of the lines that differ, `accounts` those whose money differs."""

    kept: Side
    other: Side
    shown: list[OddLine] = field(default_factory=list)
    accounts: list[AccountMoney] = field(default_factory=list)

    @property
    def lines(self) -> int:
        return self.kept.lines + self.other.lines

    @property
    def not_shown(self) -> int:
        return self.lines - sum(line.times for line in self.shown)


def difference(kept: SettlementVersion, other: SettlementVersion) -> Difference:
    """Between two versions of one settlement, whatever their size: the database compares, and a few lines come back."""
    asked = {"kept": kept.pk, "other": other.pk, "shown": SHOWN}
    with connection.cursor() as cursor:
        cursor.execute(ODD, asked)
        rows = cursor.fetchall()
        cursor.execute(MONEY, asked)
        money = [row for row in cursor.fetchall() if row[1] != row[2]]
    kept_lines, kept_amount, other_lines, other_amount = rows[0][-4:] if rows else (0, ZERO, 0, ZERO)
    signatures = FeeSignature.objects.in_bulk({row[3] for row in rows})
    accounts = Account.objects.in_bulk({account for account, _, _ in money if account})
    return Difference(
        kept=Side(version=kept, lines=int(kept_lines), amount=kept_amount),
        other=Side(version=other, lines=int(other_lines), amount=other_amount),
        shown=[_odd(kept, other, signatures, *row[:-4]) for row in rows],
        accounts=sorted(
            (AccountMoney(account=accounts.get(pk), kept=was, other=now) for pk, was, now in money),
            key=lambda row: (row.account is None, row.account.code if row.account else ""),
        ),
    )


def _odd(
    kept: SettlementVersion, other: SettlementVersion, signatures: dict[int, FeeSignature], later: bool, line: int,
    times: int, signature: int, posted_at: datetime, amount: Decimal, *rest,
) -> OddLine:  # fmt: skip
    order_id, order_item_code, sku, quantity, fulfillment = rest
    return OddLine(
        version=other if later else kept,
        line=line,
        times=times,
        signature=signatures[signature],
        posted_at=posted_at,
        amount=amount,
        order_id=order_id,
        order_item_code=order_item_code,
        sku=sku,
        quantity=quantity,
        fulfillment=fulfillment,
    )
