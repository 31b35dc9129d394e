"""SKU mappings: which item a merchant SKU is, from a day on. A bundle names its items and units in one cell each."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db import connection as database
from django.db.models import F

from apps.catalog.bulk import Said, forget_refused, keep_refused, map_skus, still_stands, undo_mappings
from apps.catalog.listings import listings_for
from apps.catalog.models import Item, Listing, SkuMapping
from apps.catalog.operations import MOST_PARTS, MOST_UNITS
from apps.core.models import Entity, User
from apps.core.money import words as money_words
from apps.core.permissions import IMPORT_MAPPINGS
from apps.exceptions.models import Case
from apps.exceptions.types import Weight
from apps.imports.columns import Cell, Choice, Column, Columns, Day, Fault, Key, Whole, nearest
from apps.imports.importable import Clash, Effect, Good, Importable, Record, Undoing, Values, register_sheet
from apps.imports.models import Import, ImportRow
from apps.integrations.marketplaces import NAMES
from apps.integrations.models import Connection
from apps.orders.models import Order
from apps.orders.routing import free
from apps.orders.statements import DAY, UNMAPPED

AND = " + "
MOST_NEAREST = 20  # names are compared with every item: not for each of 50,000 rows
SKU_TYPES = ("sku.unmapped", "sku.ambiguous")

# What waits for these listings on their days, and whether nothing else would keep an order then.
WAITING = f"""
    WITH said AS (SELECT * FROM unnest(%(listings)s::bigint[], %(days)s::date[]) AS said(listing, since)),
    waiting AS (
        SELECT o.id, o.channel, o.currency, o.total, entity.zone, o.purchased_at
        FROM orders_order o JOIN core_entity entity ON entity.id = o.entity_id
        WHERE o.entity_id = %(entity)s AND o.route = 'held' AND 'sku' = ANY(o.holds)
              AND o.id IN (SELECT item.order_id FROM orders_orderitem item JOIN said ON said.listing = item.listing_id)
    ),
    freed AS (
        SELECT o.*, NOT EXISTS (
            SELECT FROM orders_orderitem item LEFT JOIN said ON said.listing = item.listing_id
            JOIN core_entity entity ON entity.id = %(entity)s
            WHERE item.order_id = o.id AND item.quantity > 0 AND {UNMAPPED}
                  AND (said.since IS NULL OR {DAY} < said.since)) AS known
        FROM waiting o
    )
    SELECT currency, count(*) FILTER (WHERE known AND channel <> ''), sum(total) FILTER (WHERE known AND channel <> ''),
           count(*) FILTER (WHERE NOT known OR channel = '')
    FROM freed GROUP BY currency ORDER BY currency
"""
WAITED_FOR = f"""
    SELECT DISTINCT item.listing_id
    FROM orders_orderitem item JOIN orders_order o ON o.id = item.order_id
    JOIN core_entity entity ON entity.id = o.entity_id
    JOIN unnest(%(listings)s::bigint[], %(days)s::date[]) AS said(listing, since) ON said.listing = item.listing_id
    WHERE o.entity_id = %(entity)s AND o.route = 'held' AND 'sku' = ANY(o.holds) AND {DAY} {{when}} said.since
"""


class Marketplace(Choice):
    """By its name, or by Amazon's id."""

    def __init__(self) -> None:
        super().__init__({name: marketplace for marketplace, name in NAMES.items()})

    def read(self, value: Any, known: Collection[str]) -> str:
        if isinstance(value, str) and (value in known or value in NAMES):
            return value
        try:
            return super().read(value, known)
        except Fault as fault:
            raise Fault(f"Expected a marketplace, as United Kingdom.{nearest(str(value), self.words)}") from fault

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return NAMES.get(value, value)


class Several(Cell):
    """Values of another kind, joined by " + " where there are several."""

    def __init__(self, one: Cell):
        super().__init__(required=True)
        self.one = one
        self.is_text = True

    def read(self, value: Any, known: Collection[str]) -> tuple:
        if not isinstance(value, str) or value in known or AND not in value:
            return (self.one.clean(value, known=known),)
        return tuple(self.one.clean(part, known=known) for part in value.split(AND))

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return AND.join(str(part) for part in value)


class MappingColumns(Columns):
    connection = Column("Connection", Key(required=True, longest=120), example="amazon.co.uk", hint="The seller account")
    marketplace = Column("Marketplace", Marketplace(), example="United Kingdom")
    sku = Column("Merchant SKU", Key(required=True, longest=120), example="BF-TOWEL-SET")
    item = Column("Item", Several(Key(longest=60)), example="10733 + 10734", hint="Your codes of what is in one sold unit")
    units = Column("Units", Several(Whole(of="eaches")), example="2 + 1", hint="How many of each")
    since = Column("From", Day(required=True), example="2026-11-01", hint="Orders of this day and later")


def present(entity: Entity) -> Iterable[Record]:
    """The mapping of each listing that begins last. What it was before stays on record."""
    rows = SkuMapping.objects.in_force().filter(listing__connection__entity=entity)
    latest = rows.order_by("listing_id", "-period").distinct("listing_id").values("pk")
    parts = {"order_by": ["parts__item__code"]}
    found = SkuMapping.objects.filter(pk__in=latest).values(
        "id",
        connection=F("listing__connection__name"),
        marketplace=F("listing__marketplace"),
        sku=F("listing__sku"),
        item=ArrayAgg("parts__item__code", **parts),
        units=ArrayAgg("parts__quantity", **parts),
        since=F("period__startswith"),
    )
    for row in found.order_by("connection", "marketplace", "sku").iterator():
        row["item"], row["units"] = tuple(row["item"]), tuple(row["units"])
        yield row


def known(entity: Entity) -> dict[str, Collection[str]]:
    listings = Listing.objects.filter(connection__entity=entity)
    return {
        "connection": set(Connection.objects.filter(entity=entity).values_list("name", flat=True)),
        "marketplace": set(listings.values_list("marketplace", flat=True).distinct()),
        "sku": set(listings.values_list("sku", flat=True)),
        "item": set(Item.objects.filter(entity=entity).values_list("code", flat=True)),
    }


def checks(entity: Entity):
    items = {item.code: item for item in Item.objects.filter(entity=entity).only("code", "title", "active")}
    connections = set(Connection.objects.filter(entity=entity).values_list("name", flat=True))
    compared = 0

    def near(code: str) -> str:
        nonlocal compared
        compared += 1
        return nearest(code, items, items.__getitem__) if compared <= MOST_NEAREST else ""

    def check(values: Values, record: Record | None) -> Iterator[Fault]:
        if values["connection"] not in connections:
            yield Fault(f"No connection has this name.{nearest(values['connection'], connections)}", "connection")
        codes, units = values["item"], values["units"]
        if len(codes) != len(units):
            yield Fault(f"{len(codes)} items, but {len(units)} figures. Expected one for each item, as 2 + 1.", "units")
            return
        if len(set(codes)) != len(codes):
            yield Fault("An item is there twice. Expected it once, with all its units.", "item")
            return
        if len(codes) > MOST_PARTS:
            yield Fault(f"{len(codes)} items. Expected {MOST_PARTS} at most.", "item")
            return
        if max(units) > MOST_UNITS:
            yield Fault(f"Expected {MOST_UNITS:,} units of an item at most.", "units")
            return
        pairs = sorted(zip(codes, units, strict=True))
        values["item"], values["units"] = (tuple(column) for column in zip(*pairs, strict=True))
        if record and (values["item"], values["units"]) == (record["item"], record["units"]):
            if values["since"] >= record["since"]:
                values["since"] = record["since"]  # it holds since then already
                return
            words = f"It is this item from {record['since']} on already. An earlier day is for a person to say."
            yield Clash(words, "since")
            return
        for code in values["item"]:
            if code not in items:
                yield Fault(f"{code} is not an item here.{near(code)}", "item")
            elif not items[code].active:
                yield Fault(f"{code} is no longer sold. Expected an active item.", "item")
        if record and values["since"] <= record["since"]:
            present = MappingColumns.fields["item"].widget.render(record["item"])
            yield Clash(f"From {record['since']} on it is {present} already. Two answers: keep one.", "item")

    return check


def effect(entity: Entity, good: list[Good]) -> Effect:
    """Orders that would go their way, and the cases of SKUs without an item that would close."""
    said = _known_listings(entity, good)
    values = {"entity": entity.pk, "listings": list(said), "days": list(said.values())}
    with database.cursor() as cursor:
        cursor.execute(WAITING, values)
        waiting = cursor.fetchall()
        cursor.execute(WAITED_FOR.format(when="<"), values)
        still = {listing for (listing,) in cursor.fetchall()}
    live = Case.objects.live().filter(entity=entity, type=SKU_TYPES[0])
    closes = sum(pk in said and pk not in still for pk in live.values_list("facts__listing_id", flat=True))
    freed = [(currency, orders, total or 0) for currency, orders, total, _ in waiting if orders]
    held = sum(row[3] for row in waiting)
    money = " + ".join(money_words(total, currency) for currency, _, total in freed if currency)
    lines = [["SKUs without an item", f"{closes:,}", "exceptions that close"]] if closes else []
    lines += [
        ["Orders released", f"{orders:,}", money_words(total, currency) if currency else "no total yet"]
        for currency, orders, total in freed
    ]
    if held:
        lines.append(["Orders that still wait", f"{held:,}", "for another SKU, or for who ships them"])
    new = len(good) - len(said)
    if new:
        lines.append(["SKUs that no order has named yet", f"{new:,}", "they become listings"])
    released = {currency: total for currency, _, total in freed if currency}
    weight = Weight(lines=sum(orders for _, orders, _ in freed), money=released)
    if not closes and not freed:
        return Effect(lines=lines, weight=weight)
    parts = [f"closes {closes:,} exception{'' if closes == 1 else 's'}"] if closes else []
    parts += [f"frees {money or 'orders without a total yet'}"] if freed else []
    return Effect(says=" and ".join(parts), closes=closes, lines=lines, weight=weight)


def apply(row: Import, good: list[Good], actor: User) -> dict[int, int]:
    listings = _listings(row.entity, good)
    new = map_skus(
        entity=row.entity,
        said=_said(row.entity, good, listings),
        reason=f"Imported from {row.name}"[:240],
        actor=actor,
        source=row.source,
    )
    _release(row.entity, {listings[each.number]: each.values["since"] for each in good}, actor)
    return {each.number: new[listings[each.number]].pk for each in good}


def keep_conflicts(row: Import, clashing: list[Good], actor: User) -> None:
    said = _said(row.entity, clashing, _listings(row.entity, clashing))
    keep_refused(entity=row.entity, said=said, actor=actor, source=row.source)


def undoing(row: Import) -> Undoing:
    made = _made(row)
    stands = still_stands(made)
    why_not = []
    if gone := len(made) - len(stands):
        why_not.append(f"{gone:,} of its mappings {'was' if gone == 1 else 'were'} changed or undone since.")
    ended = SkuMapping.objects.filter(cut_by__in=made).count()
    says = []
    if made:
        says.append(f"{len(made):,} mapping{' goes' if len(made) == 1 else 's go'}.")
    if ended:
        says.append(f"{ended:,} that {'it' if ended == 1 else 'they'} ended hold{'s' if ended == 1 else ''} again.")
    listings = [mapping.listing_id for mapping in stands.values()]
    released = Order.objects.filter(
        entity=row.entity, released_at__gte=row.applied_at, items__listing__in=listings
    ).distinct()
    if count := released.count():
        says.append(f"{count:,} order{'' if count == 1 else 's'} released since stay released.")
    return Undoing(says=says, why_not=why_not)


def undo(row: Import, actor: User) -> None:
    made = _made(row)
    undo_mappings(entity=row.entity, mappings=made, reason=f"{row.name} was undone", actor=actor)
    forget_refused(entity=row.entity, source=row.source)


def _made(row: Import) -> list[int]:
    return list(ImportRow.objects.filter(of=row).exclude(record=None).values_list("record", flat=True))


def _known_listings(entity: Entity, good: list[Good]) -> dict[int, Any]:
    """Listing -> the day from which a row maps it, of listings that are there."""
    named = {(each.values["connection"], each.values["marketplace"], each.values["sku"]): each for each in good}
    found = {}
    rows = Listing.objects.filter(connection__entity=entity).values_list(
        "connection__name", "marketplace", "sku", "pk"
    )
    for *name, pk in rows.iterator():
        if each := named.get(tuple(name)):
            found[pk] = each.values["since"]
    return found


def _listings(entity: Entity, good: list[Good]) -> dict[int, int]:
    """Row number -> listing, made where no order has named it yet."""
    by_connection: dict[str, list[Good]] = {}
    for each in good:
        by_connection.setdefault(each.values["connection"], []).append(each)
    found = {}
    for place in Connection.objects.filter(entity=entity, name__in=by_connection):
        rows = by_connection[place.name]
        ids = listings_for(place, ((each.values["marketplace"], each.values["sku"], "", "") for each in rows))
        found |= {each.number: ids[each.values["marketplace"], each.values["sku"]] for each in rows}
    return found


def _said(entity: Entity, good: list[Good], listings: dict[int, int]) -> list[Said]:
    codes = {code for each in good for code in each.values["item"]}
    items = {item.code: item for item in Item.objects.filter(entity=entity, code__in=codes)}
    return [
        Said(
            listings[each.number],
            [(items[code], units) for code, units in zip(each.values["item"], each.values["units"], strict=True)],
            each.values["since"],
        )
        for each in good
    ]


def _release(entity: Entity, said: dict[int, Any], actor: User) -> None:
    values = {"entity": entity.pk, "listings": list(said), "days": list(said.values())}
    with database.cursor() as cursor:
        cursor.execute(WAITED_FOR.format(when=">="), values)
        waited_for = [listing for (listing,) in cursor.fetchall()]
    if waited_for:
        free(waited_for, entity=entity, actor=actor)


SKU_MAPPINGS = register_sheet(
    Importable(
        name="sku-mappings",
        title="SKU mappings",
        says="Which of your items a merchant SKU is, from a day on.",
        permission=IMPORT_MAPPINGS,
        columns=MappingColumns,
        key=("connection", "marketplace", "sku"),
        present=present,
        known=known,
        checks=checks,
        effect=effect,
        apply=apply,
        undoing=undoing,
        undo=undo,
        keep_conflicts=keep_conflicts,
        clears=SKU_TYPES,
    )
)
