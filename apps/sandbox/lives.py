"""Orders as they live: each a list of phases, so that the state at any instant follows from the instant alone."""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from random import Random

from apps.sandbox.catalogue import AFN, Market, Product
from apps.sandbox.people import Person, somebody

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AMAZON, MERCHANT = "AMAZON", "MERCHANT"
QUANTITIES = (1, 1, 1, 1, 1, 1, 1, 2, 2, 3)


@dataclass(frozen=True, slots=True)
class Phase:
    """From `at` on. `by` None: Amazon does not say who ships it. `shipped` is in units of each line."""

    at: datetime
    status: str
    by: str | None
    shipped: tuple[int, ...]
    delivered: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    item_id: str
    product: Product
    quantity: int
    discount: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`on_amazon` False: multi-channel fulfilment. `amount`: what stands in place of its total, where that is no number."""

    id: str
    market: Market
    created: datetime
    lines: tuple[Line, ...]
    phases: tuple[Phase, ...]
    buyer: Person | None
    ship_by: datetime
    programs: tuple[str, ...] = ()
    on_amazon: bool = True
    amount: str = ""
    has_post_code: bool = True
    starts: tuple[datetime, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "starts", tuple(phase.at for phase in self.phases))

    def phase_at(self, moment: datetime) -> int:
        """Its place in `phases`; -1 before the order exists."""
        return bisect_right(self.starts, moment) - 1


@dataclass
class Maker:
    """Makes orders whose ids never repeat."""

    chance: Random
    taken: set[str] = field(default_factory=set)

    def between(self, least: timedelta, most: timedelta) -> timedelta:
        return timedelta(seconds=self.chance.randrange(int(least.total_seconds()), int(most.total_seconds())))

    def order_id(self, prefix: str) -> str:
        while True:
            number = f"{prefix}-{self.chance.randrange(10**7):07d}-{self.chance.randrange(10**7):07d}"
            if number not in self.taken:
                self.taken.add(number)
                return number

    def line(self, product: Product, quantity: int = 1, discount: bool = False) -> Line:
        item_id = f"{self.chance.randrange(10**13, 10**14)}"
        return Line(item_id=item_id, product=product, quantity=quantity, discount=discount)

    def order(self, market: Market, created: datetime, lines: tuple[Line, ...], phases: list[Phase], **more) -> Order:
        """`phases` at most; `more` goes over what an ordinary order has."""
        own = more.pop("prefix", f"{market.prefix}{self.chance.randrange(2, 7)}")
        known = {
            "buyer": somebody(self.chance, market.country),
            "ship_by": end_of_day(created + DAY),
            "programs": ("PRIME",) if lines[0].product.channel == AFN and self.chance.random() < 0.7 else (),
        }
        return Order(
            id=self.order_id(own), market=market, created=created, lines=lines, phases=tuple(phases), **known | more
        )

    def ordinary(self, market: Market, created: datetime, products: list[Product]) -> Order:
        """Pending, then unshipped, then shipped and delivered; one in twenty-five is cancelled, some ship late."""
        first = self.chance.choice(products)
        others = [product for product in products if product.channel == first.channel and product is not first]
        chosen = [first, *([self.chance.choice(others)] if self.chance.random() < 0.12 else [])]
        lines = tuple(self.line(each, self.chance.choice(QUANTITIES), self.chance.random() < 0.08) for each in chosen)
        none, whole = (0,) * len(lines), tuple(line.quantity for line in lines)
        by = AMAZON if first.channel == AFN else MERCHANT
        paid = created + self.between(HOUR / 12, HOUR)
        phases = [Phase(created, "PENDING", by, none), Phase(paid, "UNSHIPPED", by, none)]
        if self.chance.random() < 0.04:
            phases.append(Phase(paid + self.between(HOUR, 6 * HOUR), "CANCELLED", by, none))
            return self.order(market, created, lines, phases)
        late = first.channel != AFN and self.chance.random() < 0.03
        left = paid + self.between(4 * HOUR, 22 * HOUR) + (2 * DAY if late else timedelta())
        phases.append(Phase(left, "SHIPPED", by, whole))
        phases.append(Phase(left + self.between(DAY, 4 * DAY), "SHIPPED", by, whole, delivered=True))
        return self.order(market, created, lines, phases)


def end_of_day(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time(23, 59, 59), moment.tzinfo)
