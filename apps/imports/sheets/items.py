"""Items: what the business stocks and sells, until its ERP is connected."""

from collections.abc import Iterable, Iterator

from apps.catalog.models import Item, MappingPart, RefusedPart
from apps.core.models import Entity, User
from apps.core.money import SIGNS
from apps.core.permissions import IMPORT_ITEMS
from apps.imports import records
from apps.imports.columns import Choice, Column, Columns, Digits, Fault, Key, Money, Text, Whole, check_decimals
from apps.imports.importable import Good, Importable, Record, Undoing, Values, register_sheet
from apps.imports.models import Import
from apps.inventory.models import ErpStock

DEFAULTS = {"ean": "", "asin": "", "pack": 1, "price": None, "currency": "", "active": True}
YES_NO = {"yes": True, "no": False}
BUILT_ON = (
    (ErpStock, "is counted by the ERP"),
    (RefusedPart, "stands in a conflict of SKUs"),
    (MappingPart, "has SKUs mapped to it"),
)
CURRENCIES = {code: code for code in SIGNS}


class ItemColumns(Columns):
    code = Column("Item", Key(required=True, longest=60), example="10733", hint="Your own code of it")
    title = Column("Title", Text(required=True), example="Bath towel, ecru")
    ean = Column("EAN", Digits(8, 12, 13, 14), example="5060000107333", needed=False)
    asin = Column("ASIN", Key(longest=10), example="B0EXAMPLE1", needed=False)
    pack = Column("Pack", Whole(of="eaches"), example="1", hint="Eaches in one of it", needed=False)
    price = Column("Price", Money(), example="18.50", needed=False)
    currency = Column("Currency", Choice(CURRENCIES, required=False), example="GBP", needed=False)
    active = Column("Active", Choice(YES_NO), example="yes", needed=False)


def present(entity: Entity) -> Iterable[Record]:
    return Item.objects.filter(entity=entity).order_by("code").values("id", *ItemColumns.fields).iterator()


def checks(entity: Entity):
    def check(values: Values, record: Record | None) -> Iterator[Fault]:
        says = {**(record or DEFAULTS), **values}
        if says["price"] is not None and not says["currency"]:
            yield Fault("A price without its currency. Expected one, as GBP.", "currency" if "currency" in values else "price")
        elif says["price"] is not None and "price" in values:
            yield from check_decimals(says["price"], says["currency"], "price")

    return check


def apply(row: Import, good: list[Good], actor: User) -> dict[int, int]:
    return records.apply(Item, row.entity, good, DEFAULTS)


def undoing(row: Import) -> Undoing:
    return records.undoing(row, ITEMS, Item, BUILT_ON, "item")


def undo(row: Import, actor: User) -> None:
    records.undo(row, ITEMS, Item)


ITEMS = register_sheet(
    Importable(
        name="items",
        title="Items",
        says="What you stock and sell, by your own codes.",
        permission=IMPORT_ITEMS,
        columns=ItemColumns,
        key=("code",),
        present=present,
        checks=checks,
        apply=apply,
        undoing=undoing,
        undo=undo,
    )
)
