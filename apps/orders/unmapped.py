"""SKUs that nobody has said the item of: a finding for each that something waits on, one for all that only count."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import connection

from apps.catalog.uses import USES
from apps.core.money import ZERO, plain
from apps.exceptions.types import Finding, Scope
from apps.orders.statements import DAY, UNMAPPED

NAMED = 25  # SKUs that a finding for many names
NO_HURRY = timedelta(days=30)

UNMAPPED_SKUS = f"""
WITH waiting AS (
    SELECT item.listing_id, o.currency, o.total, o.purchased_at, o.ship_by, {DAY} AS day, count(*) AS lines,
           sum(item.quantity) AS units
    FROM orders_order o
    JOIN core_entity entity ON entity.id = o.entity_id
    JOIN orders_orderitem item ON item.order_id = o.id AND item.quantity > 0
    WHERE o.entity_id = %(entity)s AND o.route = 'held' AND 'sku' = ANY(o.holds)
      AND (%(listings)s::bigint[] IS NULL OR item.listing_id = ANY(%(listings)s)) AND {UNMAPPED}
    GROUP BY item.listing_id, o.id, entity.zone
), amounts AS (
    SELECT listing_id, currency, count(*) AS orders, sum(lines)::bigint AS lines, sum(units)::bigint AS units,
           sum(total) AS total, count(*) FILTER (WHERE total IS NULL) AS unpriced, min(purchased_at) AS oldest,
           min(day) AS first_day, min(ship_by) AS ship_by
    FROM waiting GROUP BY listing_id, currency
), held AS (
    SELECT listing_id, sum(orders)::bigint AS orders, sum(lines)::bigint AS lines, sum(units)::bigint AS units,
           array_agg(currency) FILTER (WHERE total IS NOT NULL) AS currencies,
           array_agg(total) FILTER (WHERE total IS NOT NULL) AS totals,
           sum(unpriced)::bigint AS unpriced, min(oldest) AS oldest, min(first_day) AS first_day, min(ship_by) AS ship_by
    FROM amounts GROUP BY listing_id
), unmapped AS MATERIALIZED (
    SELECT listing.id AS listing_id
    FROM catalog_listing listing
    JOIN integrations_connection place ON place.id = listing.connection_id
    JOIN core_entity entity ON entity.id = place.entity_id
    WHERE entity.id = %(entity)s AND (%(listings)s::bigint[] IS NULL OR listing.id = ANY(%(listings)s))
      AND NOT EXISTS (SELECT FROM catalog_skumapping mapping WHERE mapping.listing_id = listing.id
                      AND (mapping.period @> (now() AT TIME ZONE entity.zone)::date) IS TRUE)
), used AS (
    SELECT listing_id, name, currency, sum(count)::bigint AS count, sum(amount) AS amount
    FROM ({{uses}}) used (name, listing_id, count, currency, amount)
    WHERE count > 0
    GROUP BY listing_id, name, currency
), uses AS (
    SELECT listing_id, array_agg(name ORDER BY name, currency) AS names, array_agg(count ORDER BY name, currency) AS counts,
           array_agg(currency ORDER BY name, currency) AS currencies, array_agg(amount ORDER BY name, currency) AS amounts
    FROM used GROUP BY listing_id
)
SELECT listing.id, listing.sku, listing.marketplace, listing.title, listing.channel,
       COALESCE(held.orders, 0), COALESCE(held.lines, 0), COALESCE(held.units, 0), COALESCE(held.currencies, '{{{{}}}}'),
       COALESCE(held.totals, '{{{{}}}}'), COALESCE(held.unpriced, 0), held.oldest, held.first_day, held.ship_by,
       COALESCE(uses.names, '{{{{}}}}'), COALESCE(uses.counts, '{{{{}}}}'), COALESCE(uses.currencies, '{{{{}}}}'),
       COALESCE(uses.amounts, '{{{{}}}}')
FROM held FULL JOIN uses ON uses.listing_id = held.listing_id
JOIN catalog_listing listing ON listing.id = COALESCE(held.listing_id, uses.listing_id)
ORDER BY listing.id
"""
NO_USE = "SELECT NULL::text, NULL::bigint, NULL::bigint, NULL::text, NULL::numeric WHERE false"

Amounts = dict[str, Decimal]


@dataclass
class Used:
    """What one domain has of listings: how many of its units, and what they are worth by currency."""

    count: int = 0
    amounts: Amounts = field(default_factory=lambda: defaultdict(Decimal))

    def add(self, count: int, amounts: Amounts) -> None:
        self.count += count
        for currency, amount in amounts.items():
            self.amounts[currency] += amount


@dataclass(frozen=True)
class Unmapped:
    """A listing without an item, and what has it."""

    listing: int
    sku: str
    marketplace: str
    title: str
    channel: str
    orders: int
    lines: int
    units: int
    amounts: Amounts
    unpriced: int
    oldest: datetime | None
    first_day: date | None
    ship_by: datetime | None
    uses: dict[str, Used]

    @property
    def asked_for(self) -> bool:
        return self.orders > 0 or any(USES[name].asks for name in self.uses)

    def finding(self, scope: Scope) -> Finding:
        largest = _largest(self.amounts, scope)
        return Finding(
            subject=str(self.listing),
            currency=largest,
            stake=max(self.amounts.get(largest, ZERO), ZERO),
            lines=self.lines,
            due_at=self.ship_by,
            facts={
                "listing_id": self.listing,
                "sku": self.sku,
                "marketplace": self.marketplace,
                "title": self.title,
                "channel": self.channel,
                "orders": self.orders,
                "units": self.units,
                "amounts": _plain(self.amounts),
                "unpriced": self.unpriced,
                "oldest": self.oldest.isoformat() if self.oldest else "",
                "first_day": self.first_day.isoformat() if self.first_day else "",
                "first_ship_by": self.ship_by.isoformat() if self.ship_by else "",
                "uses": {name: used.count for name, used in self.uses.items()},
                "worth": {name: _plain(used.amounts) for name, used in self.uses.items() if used.amounts},
            },
        )


def unmapped_skus(scope: Scope) -> Iterator[Finding]:
    """A listing that orders or stock ask the item of is a finding of its own. Those that only count are one for each use,
    whose subject is the use's name: it holds nobody up, so that it is due later and has no stake.
    """
    counted: dict[str, list[Unmapped]] = defaultdict(list)
    for each in _read(scope):
        if each.asked_for:
            yield each.finding(scope)
        else:
            for name in each.uses:
                counted[name].append(each)
    for name, listings in counted.items():
        yield _together(name, listings, scope)


def _together(name: str, listings: list[Unmapped], scope: Scope) -> Finding:
    total = Used()
    for each in listings:
        total.add(each.uses[name].count, each.uses[name].amounts)
    largest = _largest(total.amounts, scope)
    listings.sort(key=lambda each: (-each.uses[name].amounts.get(largest, ZERO), each.listing))
    return Finding(
        subject=name,
        currency=largest,
        lines=total.count,
        respond_within=NO_HURRY,
        facts={
            "listing_id": None,
            "use": name,
            "skus": len(listings),
            "count": total.count,
            "amounts": _plain(total.amounts),
            "named": [
                {
                    "listing": each.listing,
                    "sku": each.sku,
                    "marketplace": each.marketplace,
                    "count": each.uses[name].count,
                    "amounts": _plain(each.uses[name].amounts),
                }
                for each in listings[:NAMED]
            ],
        },
    )


def _read(scope: Scope) -> Iterator[Unmapped]:
    """All of them, or those that the scope names. A use's own finding is about all of its listings."""
    everything = scope.subjects is None or scope.subjects & USES.keys()
    listings = None if everything else [int(subject) for subject in scope.subjects]
    uses = " UNION ALL ".join(
        [NO_USE, *(f"SELECT '{use.name}', used.* FROM ({use.statement}) used" for use in USES.values())]
    )
    with connection.cursor() as cursor:
        cursor.execute(UNMAPPED_SKUS.format(uses=uses), {"entity": scope.entity.pk, "listings": listings})
        rows = cursor.fetchall()
    for *about, currencies, totals, unpriced, oldest, first_day, ship_by, names, counts, of, amounts in rows:
        uses_of: dict[str, Used] = defaultdict(Used)
        for name, count, currency, amount in zip(names, counts, of, amounts, strict=True):
            uses_of[name].add(count, {currency: amount} if currency else {})
        value = dict(zip(currencies, totals, strict=True))
        yield Unmapped(*about, value, unpriced, oldest, first_day, ship_by, uses_of)


def _largest(amounts: Amounts, scope: Scope) -> str:
    return max(sorted(amounts), key=amounts.__getitem__, default=scope.entity.base_currency)


def _plain(amounts: Amounts) -> dict[str, str]:
    return {currency: plain(amount, currency) for currency, amount in amounts.items()}
