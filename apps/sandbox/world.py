"""What exists, all of it made from the seed and the start: listings, orders with their whole lives, stock, settlements."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from random import Random

from apps.sandbox.catalogue import AFN, DE, FLIPS, GB, MARKETS, NEW, Market, Product, products
from apps.sandbox.lives import AMAZON, DAY, HOUR, MERCHANT, Line, Maker, Order, Phase, end_of_day

ACCOUNT = "A2BRACKENFOLD9"
STORE = "Brackenfold Home"
HISTORY = 28 * DAY
SOON = 7 * DAY
WAITING = 37  # orders of the listing that nobody has mapped
FLIPPED = 3 * HOUR  # after the start
SHIPS_IN = 9 * HOUR
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class World:
    """`size`: how many orders exist at the start. A tenth as many come in the week after it."""

    seed: int
    start: datetime
    size: int

    @cached_property
    def products(self) -> dict[str, Product]:
        return products()

    @cached_property
    def orders(self) -> list[Order]:
        """In the order of their creation."""
        maker = Maker(Random(f"orders {self.seed}"), {order.id for order in self.special.values()})
        first, last = self.start - HISTORY, self.start - 20 * MINUTE
        made = list(self.special.values())
        made += [self._ordinary(maker, first, last) for _ in range(self.size - len(made))]
        made += [self._ordinary(maker, self.start, self.start + SOON) for _ in range(self.size // 10)]
        return sorted(made, key=lambda order: order.created)

    def _ordinary(self, maker: Maker, first: datetime, last: datetime) -> Order:
        market = GB if maker.chance.random() < 0.7 else DE
        return maker.ordinary(market, first + maker.between(timedelta(), last - first), self._sold_in[market.id])

    @cached_property
    def _sold_in(self) -> dict[str, list[Product]]:
        return {
            market.id: [each for each in self.products.values() if market in each.markets and each.sku not in NEW]
            for market in MARKETS
        }

    @cached_property
    def special(self) -> dict[str, Order]:
        """One of each thing that is not ordinary, by what it is."""
        maker = Maker(Random(f"special {self.seed}"))
        kinds = (self._waiting, self._new, self._amid, self._puzzling, self._multi_channel)
        return {name: order for kind in kinds for name, order in kind(maker)}

    def _new(self, maker: Maker) -> Iterator[tuple[str, Order]]:
        """Of the other listings that nobody has mapped."""
        for number, (sku, market) in enumerate((("BF-VASE-CLAY-XL", GB),) * 3 + (("BF-LAEUFER-FLACHS", DE),) * 2, 1):
            yield f"new-{number}", self._unshipped(maker, market, sku, ago=(number + 1) * 3 * HOUR)
        for number in (6, 7):
            created = self.start - (number - 5) * 8 * HOUR
            phases = [Phase(created, "PENDING", AMAZON, (0,)), Phase(created + HOUR, "SHIPPED", AMAZON, (1,))]
            yield f"new-{number}", maker.order(GB, created, self._one(maker, "BF-CANDLE-PINE-220"), phases)

    def _amid(self, maker: Maker) -> Iterator[tuple[str, Order]]:
        """Each in a state that an ordinary order passes through in no time, or never."""
        start, created = self.start, self.start - 30 * HOUR
        lines = (*self._one(maker, "BF-STOOL-OAK", 2), *self._one(maker, "BF-RUNNER-FLAX"))
        phases = [
            Phase(created, "PENDING", MERCHANT, (0, 0)),
            Phase(created + HOUR, "UNSHIPPED", MERCHANT, (0, 0)),
            Phase(created + 20 * HOUR, "PARTIALLY_SHIPPED", MERCHANT, (1, 1)),
            Phase(start + DAY, "SHIPPED", MERCHANT, (2, 1)),
        ]
        yield "partly-shipped", maker.order(GB, created, lines, phases, ship_by=end_of_day(start + DAY))

        yield "late-1", self._unshipped(maker, GB, "BF-BOARD-OLIVE", ago=3 * DAY)
        yield "late-2", self._unshipped(maker, DE, "BF-STOOL-OAK", ago=4 * DAY)

        created = start - 15 * MINUTE
        phases = [Phase(created, "PENDING", MERCHANT, (0,)), Phase(start + 20 * MINUTE, "UNSHIPPED", MERCHANT, (0,))]
        yield "pending", maker.order(GB, created, self._one(maker, "BF-VASE-CLAY-L"), phases)

        created = start - 5 * DAY
        phases = [Phase(created, "PENDING_AVAILABILITY", AMAZON, (0,))]
        lines = self._one(maker, "BF-LINEN-DB-SAGE")
        yield "pre-order", maker.order(GB, created, lines, phases, programs=("PREORDER",))

    def _puzzling(self, maker: Maker) -> Iterator[tuple[str, Order]]:
        """What a reader may stumble over."""
        yield "no-channel", self._unshipped(maker, GB, "BF-VASE-CLAY-S", ago=9 * HOUR, by=None)
        yield "unknown-channel", self._unshipped(maker, GB, "BF-LAMP-RATTAN", ago=11 * HOUR, by="PARTNER_NETWORK")
        yield "unreadable", self._unshipped(maker, DE, "BF-BOARD-OLIVE", ago=10 * HOUR, amount="see invoice")
        yield "number-for-sku", self._unshipped(maker, GB, "0047120", ago=7 * HOUR)
        changes = self._unshipped(maker, GB, FLIPS, ago=8 * HOUR)
        later = Phase(self.start + FLIPPED, "UNSHIPPED", AMAZON, (0,))
        yield "becomes-amazons", replace(changes, phases=(*changes.phases, later))

    def _multi_channel(self, maker: Maker) -> Iterator[tuple[str, Order]]:
        """Sold in another shop, shipped by Amazon."""
        for number, status in enumerate(("SHIPPED", "SHIPPED", "UNSHIPPED", "UNFULFILLABLE"), 1):
            created = self.start - number * 2 * DAY
            shipped = (number,) if status == "SHIPPED" else (0,)
            phases = [Phase(created, "PENDING", AMAZON, (0,)), Phase(created + 6 * HOUR, status, AMAZON, shipped)]
            lines, kind = (
                self._one(maker, "BF-MUG-0350-4", number),
                {"prefix": "S02", "on_amazon": False, "programs": ()},
            )
            yield f"multi-channel-{number}", maker.order(GB, created, lines, phases, buyer=None, **kind)

    def _waiting(self, maker: Maker) -> Iterator[tuple[str, Order]]:
        """37 orders, 41 units; one loses its buyer two hours after the start, one has no postcode.

        The oldest is to ship soon at whatever hour of the day this starts, so that there always is one that waits too long.
        """
        for number in range(1, WAITING + 1):
            quantity = 2 if number % 9 == 0 else 1
            ago = 25 * HOUR - number * 40 * MINUTE
            order = self._unshipped(maker, GB, "BF-OAKTRAY-40-UK2", ago=ago, quantity=quantity)
            if number == 1:
                order = replace(order, ship_by=self.start + SHIPS_IN)
            if number == 5:
                cancelled = Phase(self.start + 2 * HOUR, "CANCELLED", MERCHANT, (0,))
                order = replace(order, phases=(*order.phases, cancelled))
            yield f"waiting-{number:02d}", replace(order, has_post_code=number != 18)

    def _unshipped(
        self,
        maker: Maker,
        market: Market,
        sku: str,
        *,
        ago: timedelta,
        quantity: int = 1,
        by: str | None = MERCHANT,
        **more,
    ) -> Order:
        """Paid, and nobody ships it."""
        created = self.start - ago
        phases = [Phase(created, "PENDING", by, (0,)), Phase(created + 12 * MINUTE, "UNSHIPPED", by, (0,))]
        return maker.order(market, created, self._one(maker, sku, quantity), phases, **more)

    def _one(self, maker: Maker, sku: str, quantity: int = 1) -> tuple[Line]:
        return (maker.line(self.products[sku], quantity),)

    def listed_at(self, product: Product) -> datetime:
        return self.start - product.age

    def channel_of(self, product: Product, at: datetime) -> str:
        """Who ships it. One listing of the merchant's becomes Amazon's three hours after the start."""
        return AFN if product.sku == FLIPS and at >= self.start + FLIPPED else product.channel

    def listing_changed(self, product: Product, at: datetime) -> datetime:
        flipped = self.channel_of(product, at) != product.channel
        return self.start + FLIPPED if flipped else self.listed_at(product)

    def at_amazon(self, market: Market, at: datetime) -> list[Product]:
        return [
            each
            for each in self.products.values()
            if market in each.markets and self.listed_at(each) <= at and self.channel_of(each, at) == AFN
        ]
