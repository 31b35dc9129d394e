"""Where an order goes, pure (domain.md 2.5). What a record says is read by apps.orders.records."""

from dataclasses import dataclass

AFN, MFN = "AFN", "MFN"
PENDING = frozenset({"PENDING_AVAILABILITY", "PENDING"})
OWN_ROUTE = {MFN: "ship", AFN: "record"}


@dataclass(frozen=True)
class Routing:
    """A value of `Route`, and of `Hold` for each thing that keeps the order; without holds it is not held."""

    route: str
    holds: tuple[str, ...] = ()


def decide(
    *,
    on_amazon: bool,
    channel: str,
    status: str,
    unmapped: bool,
    wanted: bool = True,
    was: str = "",
    sent: bool = False,
) -> Routing:
    """Where an order goes now.

    `unmapped`: a line of it has no item on its purchase day. `wanted`: units are left to ship, or for Amazon's own to be
    recorded. `was`: its route so far. `sent`: the command of that route left us. What was released by its channel's route
    stays so: later news about items does not call it back, only a cancellation that comes before it was sent.
    """
    if not on_amazon:
        return Routing("no-sale")
    own = OWN_ROUTE.get(channel)
    released = own is not None and was == own
    if status == "CANCELLED":
        return Routing(own if released and sent else "ended")
    if released:
        return Routing(own)
    if status == "UNFULFILLABLE":
        return Routing("ended")
    if status in PENDING:
        return Routing("pending")
    if not wanted or (channel == MFN and status == "SHIPPED"):
        return Routing("done")
    holds = (() if own else ("channel",)) + (("sku",) if unmapped else ())
    return Routing("held", holds) if holds else Routing(own)
