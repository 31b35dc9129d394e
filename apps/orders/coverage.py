"""What share of the units sold had an item when their order came in, and has one now: by channel and week, from the lines.

A channel is a marketplace of a connection with who ships, in its currency. Orders that were cancelled, or sold elsewhere than
on Amazon, do not count. A week is that of the purchase, in the company's zone; an item is that of its day. There is no
roll-up to keep right: each statement reads the lines of its weeks once, and the mappings once.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db import connection

from apps.catalog.models import Channel as Ships
from apps.core.coverage import WEEKS, Share, Week
from apps.core.money import ZERO
from apps.integrations import marketplaces
from apps.orders.statements import DAY, IN_FORCE

ARRIVED, NOW = "arrived", "now"
UNITS, MONEY = "units", "money"

SOLD = f"""
    SELECT entity.id AS entity_id, o.connection_id, o.marketplace, o.channel, o.currency, {DAY} AS day, item.listing_id,
           item.quantity, item.price, item.mapped_at_arrival AS arrived, mapping.id IS NOT NULL AS now
    FROM core_entity entity
    JOIN orders_order o ON o.entity_id = entity.id AND o.on_amazon AND o.status <> 'CANCELLED'
    JOIN orders_orderitem item ON item.order_id = o.id AND item.quantity > 0
    LEFT JOIN catalog_skumapping mapping ON {IN_FORCE}
    WHERE entity.id = ANY(%(entities)s) AND o.purchased_at >= %(since)s::timestamp AT TIME ZONE entity.zone
"""
NEWEST = """
    SELECT max(o.at) FROM core_entity entity
    CROSS JOIN LATERAL (
        SELECT date_trunc('week', purchased_at AT TIME ZONE entity.zone)::date AS at FROM orders_order
        WHERE entity_id = entity.id ORDER BY purchased_at DESC LIMIT 1) o
    WHERE entity.id = ANY(%(entities)s)
"""
# A marketplace pays in one currency, which its orders lack until they are paid.
TREND = f"""
    WITH summed AS (
        SELECT connection_id, marketplace, channel, currency, day, arrived, now, sum(quantity) AS units, sum(price) AS money,
               sum(quantity) FILTER (WHERE price IS NULL) AS unpriced
        FROM ({SOLD}) sold GROUP BY connection_id, marketplace, channel, currency, day, arrived, now
    ), placed AS (
        SELECT *, coalesce(nullif(currency, ''), max(currency) OVER (PARTITION BY connection_id, marketplace)) AS pays,
               date_trunc('week', day::timestamp)::date AS week
        FROM summed
    )
    SELECT placed.connection_id, place.name, entity.name, marketplace, channel, pays, week, sum(unpriced)::bigint,
           sum(units)::bigint, sum(money), sum(units) FILTER (WHERE now)::bigint, sum(money) FILTER (WHERE now),
           sum(units) FILTER (WHERE arrived IS NOT NULL)::bigint, sum(money) FILTER (WHERE arrived IS NOT NULL),
           sum(units) FILTER (WHERE arrived)::bigint, sum(money) FILTER (WHERE arrived)
    FROM placed
    JOIN integrations_connection place ON place.id = placed.connection_id
    JOIN core_entity entity ON entity.id = place.entity_id
    GROUP BY placed.connection_id, place.name, entity.id, marketplace, channel, pays, week
    ORDER BY entity.name, place.name, placed.connection_id, marketplace, channel, pays, week
"""
# Money of several currencies is ranked by the companies' reference rates; 1:1 where there is none.
LACKING = f"""
    WITH lost AS (
        SELECT entity_id, listing_id, max(currency) AS currency, sum(quantity)::bigint AS units, sum(price) AS money,
               coalesce(sum(quantity) FILTER (WHERE price IS NULL), 0)::bigint AS unpriced, bool_and(now) AS mapped
        FROM ({SOLD}) sold
        WHERE NOT CASE WHEN %(arrived)s THEN arrived ELSE now END
              AND (%(connection)s::bigint IS NULL
                   OR (connection_id, marketplace, channel) = (%(connection)s, %(marketplace)s, %(ships)s))
        GROUP BY entity_id, listing_id
    )
    SELECT listing.id, listing.sku, listing.title, entity.name, place.name, listing.marketplace, lost.currency, lost.units,
           coalesce(lost.money, 0), lost.unpriced, lost.mapped
    FROM lost
    JOIN catalog_listing listing ON listing.id = lost.listing_id
    JOIN integrations_connection place ON place.id = listing.connection_id
    JOIN core_entity entity ON entity.id = lost.entity_id
    LEFT JOIN LATERAL (
        SELECT rate FROM core_referencerate dated
        WHERE dated.entity_id = entity.id AND dated.currency = lost.currency AND dated.since <= %(since)s
        ORDER BY dated.since DESC LIMIT 1) reference ON true
    ORDER BY CASE WHEN %(by_money)s THEN lost.money * coalesce(reference.rate, 1) END DESC NULLS LAST, lost.units DESC,
             lost.money DESC NULLS LAST, listing.id
    LIMIT %(most)s
"""


@dataclass(frozen=True, kw_only=True)
class Channel:
    """`ships` is AFN or MFN, empty where nobody said. `currency` is empty where no order has one yet."""

    connection_id: int
    connection: str
    company: str
    marketplace: str
    ships: str
    currency: str

    def __str__(self) -> str:
        return f"{self.connection}, {self.place}, {self.ships or 'nobody says who ships'}"

    @property
    def place(self) -> str:
        return marketplaces.name_of(self.marketplace) or "no marketplace"

    @property
    def who(self) -> str:
        return Ships(self.ships).label if self.ships else "Nobody says who ships"

    @property
    def code(self) -> str:
        """As an address names it: who ships at a marketplace of a connection."""
        return f"{self.connection_id}~{self.marketplace}~{self.ships}"


@dataclass(frozen=True, kw_only=True)
class SoldWeek(Week):
    """Counts units. Money is without that of `unpriced` units, whose price is not known yet."""

    unpriced: int


@dataclass(frozen=True)
class Lacking:
    """A listing whose units of some weeks had no item. `mapped`: all of them have one by now."""

    id: int
    sku: str
    title: str
    company: str
    connection: str
    marketplace: str
    currency: str
    units: int
    money: Decimal
    unpriced: int
    mapped: bool


def trend(entities: Collection[int]) -> list[SoldWeek]:
    """The last WEEKS weeks that have orders, by channel and week."""
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, {"entities": list(entities)})
        (newest,) = cursor.fetchone()
        if newest is None:
            return []
        since = newest - timedelta(weeks=WEEKS - 1)
        cursor.execute(TREND, {"entities": list(entities), "since": since})
        return [_week(*row) for row in cursor.fetchall()]


def lacking(
    entities: Collection[int], since: date, *, side: str, by: str, channel: Channel | None, most: int
) -> list[Lacking]:
    """The listings whose units sold since that Monday had no item: when they came in, or now (`side`). Those with the most
    units or money (`by`) first; of all channels, or of one.
    """
    asked = {
        "entities": list(entities),
        "since": since,
        "arrived": side == ARRIVED,
        "by_money": by == MONEY,
        "most": most,
        "connection": channel.connection_id if channel else None,
        "marketplace": channel.marketplace if channel else "",
        "ships": channel.ships if channel else "",
    }
    with connection.cursor() as cursor:
        cursor.execute(LACKING, asked)
        return [Lacking(*row) for row in cursor.fetchall()]


def _week(
    connection_id: int, place: str, company: str, marketplace: str, ships: str, currency: str, monday: date,
    unpriced: int | None, *figures: int | Decimal | None,
) -> SoldWeek:  # fmt: skip
    channel = Channel(
        connection_id=connection_id, connection=place, company=company, marketplace=marketplace, ships=ships, currency=currency
    )
    now, kept = _share(*figures[:4]), _share(*figures[4:])
    return SoldWeek(channel=channel, monday=monday, now=now, arrived=kept if kept.count else None, unpriced=unpriced or 0)


def _share(units: int | None, money: Decimal | None, mapped_units: int | None, mapped_money: Decimal | None) -> Share:
    """Sums of nothing are zero."""
    return Share(units or 0, money or ZERO, mapped_units or 0, mapped_money or ZERO)
