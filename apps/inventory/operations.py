"""What people and imports change about stock: what is kept back, and what the ERP counts. Atomic and audited."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange
from django.utils import timezone

from apps.catalog.models import Listing
from apps.core.errors import Refused
from apps.core.locks import wait_for
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import KEEP_STOCK, check_may
from apps.integrations.models import Command
from apps.inventory.models import Buffer, ErpStock

PUSH = "push-quantity"
MOST_LEAST = 1_000_000
BATCH = 5000


def proposed_buffer(
    *, entity: Entity, listing: Listing | None, least: int, percent: Decimal, reason: str, actor: User
) -> Buffer:
    """The buffer as it would be set from today on. Raises Refused beside its field."""
    if not 0 <= least <= MOST_LEAST:
        raise Refused(f"Expected 0 to {MOST_LEAST:,} units.", field="least")
    if not 0 <= percent <= 100 or percent != round(percent, 2):
        raise Refused("Expected 0 to 100 percent, with two decimals at most.", field="percent")
    if not reason.strip():
        raise Refused("Say why, for whoever audits this later.", field="reason")
    channel = listing.channel if listing else ""
    before = buffer_in_force(entity, listing)
    if before and (before.least, before.percent, before.channel) == (least, percent, channel):
        raise Refused(f"That is the buffer already: {before}.", code="no-change")
    return Buffer(
        entity=entity,
        listing=listing,
        channel=channel,
        least=least,
        percent=percent,
        period=DateRange(_today(entity), None),
        reason=reason.strip(),
        set_by=actor,
    )


@transaction.atomic
def set_buffer(
    *, entity: Entity, listing: Listing | None, least: int, percent: Decimal, reason: str, actor: User
) -> Buffer:
    """Keep units of a listing back from today on, or where `listing` is None, of every listing without its own buffer."""
    check_may(actor, KEEP_STOCK, entity)
    _take_turn(entity)
    if listing:
        listing = Listing.objects.select_for_update(no_key=True, of=("self",)).get(
            pk=listing.pk, connection__entity=entity
        )
    buffer = proposed_buffer(
        entity=entity, listing=listing, least=least, percent=percent, reason=reason, actor=actor
    )
    if before := buffer_in_force(entity, listing):
        _end(before)
    buffer.save()
    _audit("buffer.set", buffer, before=_words(before), after=_words(buffer), reason=reason, actor=actor)
    return buffer


@transaction.atomic
def remove_buffer(*, buffer: Buffer, reason: str, actor: User) -> Buffer:
    """End a buffer today. What the company keeps back of every listing then holds for this one."""
    check_may(actor, KEEP_STOCK, buffer.entity)
    if not reason.strip():
        raise Refused("Say why, for whoever audits this later.", field="reason")
    _take_turn(buffer.entity)
    held = Buffer.objects.in_force().filter(pk=buffer.pk).first()
    if held is None:
        raise Refused("This buffer is not in force any more.", code="no-change")
    _end(held)
    _audit("buffer.removed", held, before=_words(held), after={}, reason=reason, actor=actor)
    return held


@transaction.atomic
def drop_pushes(*, listing: Listing, reason: str, actor: User) -> int:
    """Cancel the quantities that wait to be sent for a listing; how many."""
    entity = listing.connection.entity
    check_may(actor, KEEP_STOCK, entity)
    waiting = Command.objects.filter(entity=entity, kind=PUSH, subject=f"listing:{listing.pk}")
    dropped = waiting.filter(state=Command.State.WAITING).update(
        state=Command.State.CANCELLED, words=f"Cancelled by {actor.name}: Amazon ships this listing."
    )
    if dropped:
        AuditEntry.objects.record(
            actor=actor,
            entity=entity,
            verb="stock.pushes-dropped",
            subject=f"listing:{listing.pk}",
            after={"cancelled": dropped},
            reason=reason.strip(),
        )
    return dropped


def buffer_in_force(entity: Entity, listing: Listing | None) -> Buffer | None:
    """What was set for just this listing, or for the company; not the company's in place of the listing's."""
    return Buffer.objects.in_force().filter(entity=entity, listing=listing).first()


@dataclass(frozen=True, kw_only=True)
class ErpCount:
    """A row of an ERP stock sheet: so many eaches of an item at one of the ERP's places."""

    item_id: int
    node: str
    on_hand: int


@dataclass(frozen=True, kw_only=True)
class Taken:
    added: int
    changed: int
    unchanged: int


@transaction.atomic
def take_erp_stock(
    *, entity: Entity, rows: Iterable[ErpCount], as_of: datetime, source: str, actor: User | None
) -> Taken:
    """Write what an ERP counts. The same rows of the same source again change nothing.

    A sheet adds to what was counted before; of each item and place the latest `as_of` counts. Raises Refused where the
    sheet names one item and place twice with different counts, or an item that is not the company's.
    """
    wait_for(f"ERP stock of company {entity.pk}")
    counts: dict[tuple[int, str], int] = {}
    for row in rows:
        if counts.setdefault((row.item_id, row.node), row.on_hand) != row.on_hand:
            raise Refused(f"An item is counted twice at {row.node}, with different figures.", code="counted-twice")
    ours = set(entity.items.filter(pk__in={item for item, _ in counts}).values_list("pk", flat=True))
    if any(item not in ours for item, _ in counts):
        raise Refused("The sheet names an item that is not this company's.", code="unknown-item")
    known = ErpStock.objects.filter(entity=entity, source=source, as_of=as_of)
    before = {(item, node): on_hand for item, node, on_hand in known.values_list("item_id", "node", "on_hand")}
    written = {key: on_hand for key, on_hand in counts.items() if before.get(key) != on_hand}
    ErpStock.objects.bulk_create(
        [
            ErpStock(entity=entity, item_id=item, node=node, on_hand=on_hand, as_of=as_of, source=source)
            for (item, node), on_hand in written.items()
        ],
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["item", "node", "as_of", "source"],
        update_fields=["on_hand"],
    )
    changed = len(written.keys() & before.keys())
    taken = Taken(added=len(written) - changed, changed=changed, unchanged=len(counts) - len(written))
    if written:
        AuditEntry.objects.record(
            actor=actor,
            entity=entity,
            verb="stock.erp-taken",
            subject=f"erp-stock:{source}",
            after={"as of": as_of.isoformat(), "added": taken.added, "changed": taken.changed},
        )
    return taken


@transaction.atomic
def forget_erp_stock(*, entity: Entity, source: str, actor: User) -> int:
    """Undo a sheet as one: what was counted before it counts again. How many counts went."""
    wait_for(f"ERP stock of company {entity.pk}")
    gone, _ = ErpStock.objects.filter(entity=entity, source=source).delete()
    if gone:
        AuditEntry.objects.record(
            actor=actor,
            entity=entity,
            verb="stock.erp-forgotten",
            subject=f"erp-stock:{source}",
            before={"counts": gone},
        )
    return gone


def _take_turn(entity: Entity) -> None:
    wait_for(f"buffers of company {entity.pk}")


def _end(buffer: Buffer) -> None:
    """From today on it does not hold. One that was set today never did."""
    buffer.period = DateRange(buffer.period.lower, max(_today(buffer.entity), buffer.period.lower))
    buffer.save(update_fields=["period"])


def _today(entity: Entity) -> date:
    return timezone.now().astimezone(ZoneInfo(entity.zone)).date()


def _words(buffer: Buffer | None) -> dict[str, str]:
    return {"kept back": str(buffer)} if buffer else {}


def _audit(
    verb: str, buffer: Buffer, *, before: dict[str, str], after: dict[str, str], reason: str, actor: User
) -> None:
    subject = f"listing:{buffer.listing_id}" if buffer.listing_id else f"stock:{buffer.entity_id}"
    AuditEntry.objects.record(
        actor=actor, entity=buffer.entity, verb=verb, subject=subject, before=before, after=after, reason=reason.strip()
    )
