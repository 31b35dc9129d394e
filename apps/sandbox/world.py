"""What exists, all of it made from the seed and the start: listings, orders with their whole lives, stock, settlements."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from random import Random

from apps.sandbox.catalogue import AFN, DE, FLIPS, GB, MARKETS, NEW, Market, Product, products
from apps.sandbox.lives import AMAZON, DAY, HOUR, MERCHANT, Maker, Order, Phase, end_of_day

ACCOUNT = "A2BRACKENFOLD9"
STORE = "Brackenfold Home"
HISTORY = 28 * DAY
SOON = 7 * DAY
WAITING = 37  # orders of the listing that nobody has mapped
FLIPPED = 3 * HOUR  # after the start
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
        return dict(self._specials(Maker(Random(f"special {self.seed}"))))

    def _specials(self, maker: Maker) -> Iterator[tuple[str, Order]]:
        known, start = self.products, self.start
        yield from self._waiting(maker)
        for number, (sku, market) in enumerate((("BF-VASE-CLAY-XL", GB),) * 3 + (("BF-LAEUFER-FLACHS", DE),) * 2):
            yield f"new-{number + 1:02d}", self._unshipped(maker, market, sku, ago=(number + 2) * 3 * HOUR)
        for number in range(2):
            created = start - (number + 1) * 8 * HOUR
            sold = maker.line(known["BF-CANDLE-PINE-220"])
            phases = [Phase(created, "PENDING", AMAZON, (0,)), Phase(created + HOUR, "SHIPPED", AMAZON, (1,))]
            yield f"new-{number + 6:02d}", maker.order(GB, created, (sold,), phases)

        created = start - 30 * HOUR
        lines = (maker.line(known["BF-STOOL-OAK"], 2), maker.line(known["BF-RUNNER-FLAX"], 1))
        phases = [
            Phase(created, "PENDING", MERCHANT, (0, 0)),
            Phase(created + HOUR, "UNSHIPPED", MERCHANT, (0, 0)),
            Phase(created + 20 * HOUR, "PARTIALLY_SHIPPED", MERCHANT, (1, 1)),
            Phase(start + DAY, "SHIPPED", MERCHANT, (2, 1)),
        ]
        yield "partly-shipped", maker.order(GB, created, lines, phases, ship_by=end_of_day(start + DAY))

        yield "no-channel", self._unshipped(maker, GB, "BF-VASE-CLAY-S", ago=9 * HOUR, by=None)
        yield "unknown-channel", self._unshipped(maker, GB, "BF-LAMP-RATTAN", ago=11 * HOUR, by="PARTNER_NETWORK")
        yield "unreadable", self._unshipped(maker, DE, "BF-BOARD-OLIVE", ago=10 * HOUR, amount="see invoice")
        yield "late-1", self._unshipped(maker, GB, "BF-BOARD-OLIVE", ago=3 * DAY)
        yield "late-2", self._unshipped(maker, DE, "BF-STOOL-OAK", ago=4 * DAY)
        yield "number-for-sku", self._unshipped(maker, GB, "0047120", ago=7 * HOUR)

        changes = self._unshipped(maker, GB, FLIPS, ago=8 * HOUR)
        later = Phase(start + FLIPPED, "UNSHIPPED", AMAZON, (0,))
        yield "becomes-amazons", replace(changes, phases=(*changes.phases, later))

        pending = start - 15 * MINUTE
        phases = [Phase(pending, "PENDING", MERCHANT, (0,)), Phase(start + 20 * MINUTE, "UNSHIPPED", MERCHANT, (0,))]
        yield "pending", maker.order(GB, pending, (maker.line(known["BF-VASE-CLAY-L"]),), phases)
        ordered = start - 5 * DAY
        phases = [Phase(ordered, "PENDING_AVAILABILITY", AMAZON, (0,))]
        yield (
            "pre-order",
            maker.order(GB, ordered, (maker.line(known["BF-LINEN-DB-SAGE"]),), phases, programs=("PREORDER",)),
        )

        for number, status in enumerate(("SHIPPED", "SHIPPED", "UNSHIPPED", "UNFULFILLABLE")):
            created = start - (number + 1) * 2 * DAY
            quantity = number + 1
            ended = Phase(created + 6 * HOUR, status, AMAZON, (quantity if status == "SHIPPED" else 0,))
            lines = (maker.line(known["BF-MUG-0350-4"], quantity),)
            phases = [Phase(created, "PENDING", AMAZON, (0,)), ended]
            yield (
                f"multi-channel-{number + 1}",
                maker.order(GB, created, lines, phases, prefix="S02", on_amazon=False, buyer=None, programs=()),
            )

    def _waiting(self, maker: Maker) -> Iterator[tuple[str, Order]]:
        """37 orders, 41 units; one loses its buyer two hours after the start, one has no postcode."""
        for number in range(1, WAITING + 1):
            quantity = 2 if number % 9 == 0 else 1
            ago = 25 * HOUR - number * 40 * MINUTE
            order = self._unshipped(maker, GB, "BF-OAKTRAY-40-UK2", ago=ago, quantity=quantity)
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
        return maker.order(market, created, (maker.line(self.products[sku], quantity),), phases, **more)

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
