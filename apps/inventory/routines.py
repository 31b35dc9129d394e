"""The weekly review of stock: where the ERP and Amazon are apart by more than a little (domain.md 5.1)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from apps.catalog.models import Item
from apps.core.models import Entity
from apps.core.money import words
from apps.core.permissions import READ_STOCK, SIGN_VARIANCE, Team
from apps.core.words import counted
from apps.integrations.marketplaces import name_of
from apps.inventory.drift import Comparison, comparisons
from apps.inventory.models import ErpStock
from apps.inventory.rules import beyond
from apps.work.routines import Entry, Routine, register_routine

STOCK = "stock:"


def gather(entity: Entity, now: datetime) -> list[Entry]:
    """Each item and marketplace beyond the threshold, and each of which Amazon does not say enough; the dearest first."""
    found = [(_worth(row), row) for row in comparisons([entity], _today(entity, now))]
    wanted = [(worth, row) for worth, row in found if _beyond(row, worth)]
    wanted.sort(key=lambda pair: (pair[1].drift is None, -(pair[0] or 0), pair[1].item.code, pair[1].marketplace))
    return [_entry(row, worth) for worth, row in wanted]


def _today(entity: Entity, now: datetime) -> date:
    return now.astimezone(ZoneInfo(entity.zone)).date()


def _worth(row: Comparison) -> Decimal | None:
    """Of the units that they are apart, at the item's price; None where that is not known."""
    if row.drift is None or row.item.price is None:
        return None
    return abs(row.drift.difference) * row.item.price


def _beyond(row: Comparison, worth: Decimal | None) -> bool:
    return row.drift is None or beyond(row.drift.difference, row.theirs, worth)


def _entry(row: Comparison, worth: Decimal | None) -> Entry:
    return Entry(
        subject=f"{STOCK}{row.item.pk}:{row.marketplace}",
        label=f"{row.item.code}, {name_of(row.marketplace)}",
        kind="unknown" if row.drift is None else "apart",
        why=_why(row),
        since=row.as_of,
        amount=words(worth, row.item.currency) if worth is not None else "",
        listing=min(row.listings, default=None),
    )


def _why(row: Comparison) -> str:
    if row.drift is None:
        return f"The ERP counts {row.theirs:,}. Amazon does not say all of what it holds."
    less = "more" if row.drift.difference > 0 else "fewer"
    return f"The ERP counts {row.theirs:,}, Amazon {row.drift.ours:,}: {abs(row.drift.difference):,} {less} at Amazon."


def became(entity: Entity, subjects: Collection[str]) -> Mapping[str, str]:
    """Of those that the review before left and that are not beyond the threshold any more."""
    asked = {subject: subject.removeprefix(STOCK).split(":", 1) for subject in subjects}
    items = Item.objects.filter(pk__in=[int(item) for item, _ in asked.values()])
    now = {(str(row.item.pk), row.marketplace): row for row in comparisons([entity], _now_there(entity), list(items))}
    return {subject: _fate(now.get((item, place))) for subject, (item, place) in asked.items()}


def _now_there(entity: Entity) -> date:
    return datetime.now(ZoneInfo(entity.zone)).date()


def _fate(row: Comparison | None) -> str:
    if row is None or row.drift is None:
        return "No longer compared."
    apart = abs(row.drift.difference)
    return f"Still {counted(apart, 'unit')} apart, below the threshold." if apart else "They agree."


def began(entity: Entity) -> date | None:
    """The day after the ERP's first count came."""
    first = ErpStock.objects.filter(entity=entity).order_by("as_of").values_list("as_of", flat=True).first()
    return first.astimezone(ZoneInfo(entity.zone)).date() + timedelta(days=1) if first else None


def heading(entries: Sequence[Entry]) -> str:
    if not entries:
        return "The ERP and Amazon agree on every item, or nearly"
    return f"{counted(len(entries), 'count')} of the ERP and Amazon {'is' if len(entries) == 1 else 'are'} apart"


VARIANCE = register_routine(Routine(
    name="inventory-variance",
    title="Inventory variance",
    team=Team.ECOMMERCE,
    permission=SIGN_VARIANCE,
    reads=READ_STOCK,
    heading=heading,
    kinds={"apart": "apart", "unknown": "not said by Amazon"},
    subject="Item",
    deadline="Due",
    hours=(time(9),),
    weekday=0,
    gather=gather,
    became=became,
    began=began,
    lacks="It compares the ERP's last count with Amazon's last scan. What a warehouse of your own holds is not in it yet.",
))  # fmt: skip
