"""The arithmetic of stock: what Amazon's figures must add up to, what may be sold, what moved, what the ERP sees otherwise.

Pure. Quantities are in sellable units of a listing, or in eaches where it says so; None is "not reported", never zero
(domain.md 2.1 and 2.2).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal

WARN_AGE = timedelta(minutes=30)
STALE_AGE = timedelta(hours=2)
MISSED_PULLS = 2  # a slow schedule is stale when two pulls in a row brought nothing


@dataclass(frozen=True, kw_only=True)
class Quantities:
    """What Amazon says of one SKU. `warehouse` and `report_total` come with the inventory report alone."""

    fulfillable: int | None = None
    pending_customer_orders: int | None = None
    pending_transshipment: int | None = None
    fc_processing: int | None = None
    reserved: int | None = None
    unfulfillable: int | None = None
    customer_damaged: int | None = None
    warehouse_damaged: int | None = None
    distributor_damaged: int | None = None
    carrier_damaged: int | None = None
    defective: int | None = None
    expired: int | None = None
    researching: int | None = None
    researching_short: int | None = None
    researching_mid: int | None = None
    researching_long: int | None = None
    inbound_working: int | None = None
    inbound_shipped: int | None = None
    inbound_receiving: int | None = None
    total: int | None = None
    future_supply_reserved: int | None = None
    future_supply_buyable: int | None = None
    warehouse: int | None = None
    report_total: int | None = None


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A figure that must equal the sum of others, in Amazon's words."""

    name: str
    whole: str
    parts: tuple[str, ...]


INBOUND = ("inbound_working", "inbound_shipped", "inbound_receiving")
RESERVED_PARTS = ("pending_customer_orders", "pending_transshipment", "fc_processing")
IDENTITIES = (
    Identity(name="reserved", whole="reserved", parts=RESERVED_PARTS),
    Identity(
        name="unfulfillable",
        whole="unfulfillable",
        parts=(
            "customer_damaged",
            "warehouse_damaged",
            "distributor_damaged",
            "carrier_damaged",
            "defective",
            "expired",
        ),
    ),
    Identity(
        name="researching",
        whole="researching",
        parts=("researching_short", "researching_mid", "researching_long"),
    ),
)
REPORT_IDENTITIES = (
    Identity(name="warehouse", whole="warehouse", parts=("fulfillable", "unfulfillable", "reserved")),
    Identity(name="total", whole="report_total", parts=("warehouse", *INBOUND)),
)


@dataclass(frozen=True, kw_only=True)
class Break:
    """An identity that does not hold: `said` is Amazon's sum, `summed` is that of its parts."""

    identity: Identity
    said: int
    summed: int


def breaks(quantities: Quantities) -> list[Break]:
    """The identities that fail. One with a figure that was not reported cannot fail."""
    found = []
    for identity in (*IDENTITIES, *REPORT_IDENTITIES):
        said, summed = getattr(quantities, identity.whole), added(quantities, identity.parts)
        if said is not None and summed is not None and said != summed:
            found.append(Break(identity=identity, said=said, summed=summed))
    return found


def added(quantities: Quantities, names: Iterable[str]) -> int | None:
    """The sum of these figures; not known as soon as one of them is."""
    figures = [getattr(quantities, name) for name in names]
    return None if None in figures else sum(figures)


def on_hand(quantities: Quantities) -> int | None:
    """In Amazon's centres: what the ERP's on-hand is compared with, and what is never sold from."""
    return added(quantities, ("fulfillable", "reserved", "unfulfillable"))


def inbound(quantities: Quantities) -> int | None:
    return added(quantities, INBOUND)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The quantities that one listing shows of the pool of units behind it. Without an FNSKU the pool is its own."""

    connection: int
    listing: int
    fnsku: str
    quantities: Quantities

    @property
    def pool(self) -> tuple[int, str | int]:
        return self.connection, self.fnsku or self.listing


def pools(lines: Iterable[Shown]) -> list[Shown]:
    """One line for each pool: several SKUs, and several marketplaces, show the units of one FNSKU (domain.md 2.1).

    Where they differ, because Amazon told us at different moments, the one with the fewest to pick counts.
    """
    found: dict[tuple[int, str | int], Shown] = {}
    for line in lines:
        if line.pool not in found or _pickable(line) < _pickable(found[line.pool]):
            found[line.pool] = line
    return list(found.values())


def _pickable(line: Shown) -> int:
    """A figure that is not known is the least: nothing is sold from it."""
    return -1 if line.quantities.fulfillable is None else line.quantities.fulfillable


@dataclass(frozen=True, kw_only=True)
class Margin:
    """What is kept back of a pool: so many units, or so many percent of what can be picked, whichever is more."""

    least: int = 0
    percent: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What other channels may sell, with every term of the formula (domain.md 2.2)."""

    base: int
    inflight: int
    by_least: int
    by_percent: int

    @property
    def buffer(self) -> int:
        return max(self.by_least, self.by_percent)

    @property
    def available(self) -> int:
        return max(0, self.base - self.inflight - self.buffer)


def promise(fulfillable: int | None, margin: Margin, inflight: int = 0) -> Promise | None:
    """Only what can be picked is a base: no warehouse figure, no total. None: Amazon did not say, so nothing is promised."""
    if fulfillable is None:
        return None
    share = (margin.percent * fulfillable / 100).to_integral_value(ROUND_CEILING)
    return Promise(base=fulfillable, inflight=inflight, by_least=margin.least, by_percent=int(share))


def stale_after(every: timedelta) -> timedelta:
    """The age at which a snapshot is too old to rely on: two hours, or two pulls of a slower schedule."""
    return max(STALE_AGE, MISSED_PULLS * every)


def buckets(quantities: Quantities) -> dict[str, int | None]:
    """Where the units are, each in one place. The parts of reserved stand for it where Amazon names them."""
    parts = {name: getattr(quantities, name) for name in RESERVED_PARTS}
    held = {"reserved": quantities.reserved} if set(parts.values()) == {None} else parts
    names = ("unfulfillable", "researching", "inbound_receiving", "inbound_shipped", "inbound_working")
    return {"fulfillable": quantities.fulfillable} | held | {name: getattr(quantities, name) for name in names}


OUTSIDE = ""  # beyond Amazon's centres and what is on its way there
ROUTES = (
    ("inbound_working", "inbound_shipped"),
    ("inbound_shipped", "inbound_receiving"),
    ("inbound_receiving", "fulfillable"),
    ("inbound_receiving", "fc_processing"),
    ("inbound_receiving", "pending_transshipment"),
    ("inbound_receiving", "reserved"),
    ("inbound_shipped", "fulfillable"),
    ("inbound_shipped", "pending_transshipment"),
    ("fulfillable", "pending_customer_orders"),
    ("fulfillable", "pending_transshipment"),
    ("fulfillable", "fc_processing"),
    ("fulfillable", "reserved"),
    ("pending_transshipment", "fulfillable"),
    ("fc_processing", "fulfillable"),
    ("fc_processing", "unfulfillable"),
    ("fulfillable", "unfulfillable"),
    ("fulfillable", "researching"),
    ("researching", "fulfillable"),
    ("researching", "unfulfillable"),
    ("pending_transshipment", "researching"),
    ("inbound_receiving", "researching"),
    ("inbound_receiving", "unfulfillable"),
    ("inbound_receiving", "pending_customer_orders"),
    ("pending_transshipment", "pending_customer_orders"),
    ("fc_processing", "pending_customer_orders"),
    ("reserved", "fulfillable"),
    ("pending_customer_orders", "fulfillable"),
    ("pending_customer_orders", OUTSIDE),
    ("reserved", OUTSIDE),
    (OUTSIDE, "inbound_working"),
)
"""The ways that units go between two scans, the likeliest first, some of them through a place that they have left again. What
is missing in one place is looked for along them in the others.
"""


@dataclass(frozen=True)
class Move:
    units: int
    source: str
    target: str


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How one snapshot became the next. For each bucket, units that came less units that went, plus `unexplained`, is its
    change. `unknown` were not reported on one side, so they are not compared.
    """

    changes: Mapping[str, int] = field(default_factory=dict)
    moves: Sequence[Move] = ()
    unexplained: Mapping[str, int] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @property
    def remainder(self) -> int:
        return sum(self.unexplained.values())


def drift(before: Quantities, after: Quantities) -> Drift:
    """What moved from where to where between two snapshots, along ROUTES; the rest is not explained."""
    was, now = buckets(before), buckets(after)
    if was.keys() != now.keys():  # one of the two names the parts of reserved, the other does not
        was, now = (_coarse(each, said) for each, said in ((was, before), (now, after)))
    unknown = tuple(name for name in was if was[name] is None or now[name] is None)
    changes = {name: now[name] - was[name] for name in was if name not in unknown}
    left, moves = dict(changes), []
    for source, target in ROUTES:
        gone = -left.get(source, 0) if source else left.get(target, 0)
        come = left.get(target, 0) if target else gone
        if (units := min(gone, come)) > 0:
            moves.append(Move(units, source, target))
            for name, sign in ((source, 1), (target, -1)):
                if name:
                    left[name] += sign * units
    return Drift(
        changes={name: change for name, change in changes.items() if change},
        moves=moves,
        unexplained={name: rest for name, rest in left.items() if rest},
        unknown=unknown,
    )


def _coarse(by_bucket: dict[str, int | None], quantities: Quantities) -> dict[str, int | None]:
    kept = {name: units for name, units in by_bucket.items() if name not in RESERVED_PARTS}
    return kept | {"reserved": quantities.reserved}


ERP_HAS_MORE = ("inbound_receiving", "researching", "inbound_shipped")
ERP_HAS_LESS = ("pending_customer_orders", "unfulfillable")


@dataclass(frozen=True)
class Reason:
    """So many units of a bucket account for the difference: at most those that it holds."""

    bucket: str
    units: int


@dataclass(frozen=True, kw_only=True)
class ErpDrift:
    """The ERP's on-hand against Amazon's, in eaches. `difference` is Amazon's less the ERP's.

    `unknown` are the buckets that could have explained more, had Amazon reported them.
    """

    theirs: int
    ours: int
    reasons: Sequence[Reason]
    unknown: tuple[str, ...]

    @property
    def difference(self) -> int:
        return self.ours - self.theirs

    @property
    def explained(self) -> int:
        return sum(reason.units for reason in self.reasons)

    @property
    def remainder(self) -> int:
        return abs(self.difference) - self.explained


def against_erp(theirs: int, pooled: Sequence[tuple[Quantities, int]]) -> ErpDrift | None:
    """Compare the ERP's on-hand with that of Amazon's pools, each with the eaches in one unit of it.

    More at the ERP: it counts units as Amazon's that are under way or being looked for. Less: it has issued what is sold
    and still there, or written off what cannot be sold. None where Amazon's on-hand is not known.
    """
    held = [on_hand(quantities) for quantities, _ in pooled]
    if None in held:
        return None
    ours = sum(units * factor for units, (_, factor) in zip(held, pooled, strict=True))
    rest, reasons, unknown = abs(ours - theirs), [], []
    for bucket in ERP_HAS_MORE if theirs > ours else ERP_HAS_LESS:
        figures = [(getattr(quantities, bucket), factor) for quantities, factor in pooled]
        if rest and any(units is None for units, _ in figures):
            unknown.append(bucket)
        units = min(rest, sum((units or 0) * factor for units, factor in figures))
        if units:
            reasons.append(Reason(bucket, units))
            rest -= units
    return ErpDrift(theirs=theirs, ours=ours, reasons=reasons, unknown=tuple(unknown) if rest else ())


LEAST_UNITS = 2
LEAST_SHARE = Decimal("0.02")
LEAST_WORTH = Decimal(50)


def beyond(difference: int, counted: int, worth: Decimal | None) -> bool:
    """Whether a review asks about it (domain.md 5.1): at least 2 units and 2 % of what was counted, or worth 50 and more.

    `worth` is of the difference, in the item's currency; None where the item has no price.
    """
    if not difference:
        return False
    units = abs(difference)
    return units >= max(LEAST_UNITS, LEAST_SHARE * counted) or (worth is not None and worth >= LEAST_WORTH)
