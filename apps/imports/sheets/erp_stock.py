"""ERP stock: how many eaches of an item the ERP counts at each of its places, and when it counted them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F
from django.utils import timezone

from apps.catalog.models import Item
from apps.core.models import Entity, User
from apps.core.permissions import IMPORT_STOCK
from apps.imports.columns import Cell, Column, Columns, Fault, Key, Text, Whole, nearest, shown
from apps.imports.importable import Clash, Good, Importable, Record, Undoing, Values, register_sheet
from apps.imports.models import Import
from apps.inventory.models import ErpStock
from apps.inventory.operations import ErpCount, forget_erp_stock, take_erp_stock

LEAST = -1_000_000_000  # an ERP may count below zero


class Instant(Cell):
    """A day and time of the company's zone; a day alone is its beginning."""

    def read(self, value: Any, known: Collection[str]) -> datetime:
        if isinstance(value, datetime):
            return value
        if isinstance(value, date):
            return datetime.combine(value, time())
        try:
            read = datetime.fromisoformat(shown(value).strip())
        except ValueError as error:
            raise Fault("Expected a day and time, as 2026-11-20 18:00.") from error
        if read.tzinfo:
            raise Fault("It names a time zone. Expected the company's own time without one, as 2026-11-20 18:00.")
        return read

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return value.isoformat(" ") if value else ""


class StockColumns(Columns):
    item = Column("Item", Key(required=True, longest=60), example="10733")
    node = Column("Place", Text(required=True, longest=60), example="FBA-UK", hint="The ERP's own name of it")
    on_hand = Column("On hand", Whole(of="eaches", least=LEAST), example="120")
    as_of = Column("Counted at", Instant(required=True), example="2026-11-20 18:00", hint="When the ERP counted")


def present(entity: Entity) -> Iterable[Record]:
    """What counts now: of each item and place the latest count, at the time of the company's clocks."""
    zone = ZoneInfo(entity.zone)
    newest = ErpStock.objects.filter(pk__in=ErpStock.objects.newest(entity).values("pk"))
    rows = newest.values("id", "node", "on_hand", "as_of", code=F("item__code")).order_by("item__code", "node")
    for row in rows.iterator():
        yield {**row, "item": row["code"], "as_of": row["as_of"].astimezone(zone).replace(tzinfo=None)}


def known(entity: Entity) -> dict[str, Collection[str]]:
    return {"item": set(Item.objects.filter(entity=entity).values_list("code", flat=True))}


def checks(entity: Entity):
    codes = set(Item.objects.filter(entity=entity).values_list("code", flat=True))
    now = timezone.now().astimezone(ZoneInfo(entity.zone)).replace(tzinfo=None)

    def check(values: Values, record: Record | None) -> Iterator[Fault]:
        if values["item"] not in codes:
            near = nearest(values["item"], codes) if len(codes) < 1000 else ""
            yield Fault(f"Not an item here.{near}", "item")
        if values["as_of"] > now:
            yield Fault("In the future. Expected when the ERP counted it.", "as_of")
        elif record and values["as_of"] < record["as_of"]:
            counted = StockColumns.fields["as_of"].widget.render(record["as_of"])
            yield Clash(f"There is a later count, {record['on_hand']:,} at {counted}. That one holds.", "as_of")
        elif record and values["as_of"] == record["as_of"] and values["on_hand"] != record["on_hand"]:
            yield Clash(f"At that time {record['on_hand']:,} were counted already. Two answers: keep one.", "on_hand")

    return check


def apply(row: Import, good: list[Good], actor: User) -> dict[int, int]:
    zone = ZoneInfo(row.entity.zone)
    codes = {each.values["item"] for each in good}
    items = dict(Item.objects.filter(entity=row.entity, code__in=codes).values_list("code", "pk"))
    counts: dict[datetime, list[ErpCount]] = defaultdict(list)
    for each in good:
        says = each.values
        counts[says["as_of"].replace(tzinfo=zone)].append(
            ErpCount(item_id=items[says["item"]], node=says["node"], on_hand=says["on_hand"])
        )
    for as_of, rows in counts.items():  # one sheet is mostly one count
        take_erp_stock(entity=row.entity, rows=rows, as_of=as_of, source=row.source, actor=actor)
    written = ErpStock.objects.filter(entity=row.entity, source=row.source).values_list("item__code", "node", "pk")
    ids = {(code, node): pk for code, node, pk in written}
    return {each.number: ids[each.values["item"], each.values["node"]] for each in good}


def undoing(row: Import) -> Undoing:
    count = ErpStock.objects.filter(entity=row.entity, source=row.source).count()
    if not count:
        return Undoing()
    return Undoing(says=[f"{count:,} count{'' if count == 1 else 's'} of it go. What was counted before counts again."])


def undo(row: Import, actor: User) -> None:
    forget_erp_stock(entity=row.entity, source=row.source, actor=actor)


ERP_STOCK = register_sheet(
    Importable(
        name="erp-stock",
        title="ERP stock",
        says="What the ERP counts of each item at each of its places.",
        permission=IMPORT_STOCK,
        columns=StockColumns,
        key=("item", "node"),
        present=present,
        known=known,
        checks=checks,
        apply=apply,
        undoing=undoing,
        undo=undo,
    )
)
