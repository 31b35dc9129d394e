"""Ledger accounts: code, name and kind. Roles come with a chart, and closing has its own screen."""

from collections.abc import Iterable

from apps.core.models import Entity, User
from apps.core.permissions import APPLY_CHART
from apps.imports import records
from apps.imports.columns import Choice, Column, Columns, Key, Text
from apps.imports.importable import Good, Importable, Record, Undoing, register_sheet
from apps.imports.models import Import
from apps.ledger.models import Account, JournalLine, TaxCode
from apps.settlements.models import FeeRule

KINDS = {"Asset": "asset", "Liability": "liability", "Income": "income", "Expense": "expense"}
BUILT_ON = (
    (TaxCode, "takes the tax of a tax code"),
    (JournalLine, "stands in journals"),
    (FeeRule, "has rules that point at it"),
)


class AccountColumns(Columns):
    code = Column("Account", Key(required=True, longest=20), example="5110")
    name = Column("Name", Text(required=True, longest=120), example="Amazon FBA fees")
    kind = Column("Kind", Choice(KINDS), example="Expense", hint="Asset, Liability, Income or Expense")


def present(entity: Entity) -> Iterable[Record]:
    return Account.objects.filter(entity=entity).order_by("code").values("id", *AccountColumns.fields).iterator()


def apply(row: Import, good: list[Good], actor: User) -> dict[int, int]:
    return records.apply(Account, row.entity, good, {})


def undoing(row: Import) -> Undoing:
    return records.undoing(row, ACCOUNTS, Account, BUILT_ON, "account")


def undo(row: Import, actor: User) -> None:
    records.undo(row, ACCOUNTS, Account)


ACCOUNTS = register_sheet(
    Importable(
        name="accounts",
        title="Accounts",
        says="The ledger accounts that fees are mapped to.",
        permission=APPLY_CHART,
        columns=AccountColumns,
        key=("code",),
        present=present,
        apply=apply,
        undoing=undoing,
        undo=undo,
    )
)
