"""What is not exported of a month, what of it waits for a locked one, and posting that in a later month."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date
from decimal import Decimal

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, QuerySet, Sum

from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import POST_LATER, check_may
from apps.exceptions.types import Plan, digest
from apps.ledger.models import Journal, JournalLine, PeriodLock
from apps.ledger.periods import first_open, locked_months
from apps.settlements import journals
from apps.settlements.models import SettlementVersion
from apps.settlements.resolutions import settle

State = Journal.State


def booked(entity: Entity) -> QuerySet[Journal]:
    """The company's journals that book something, with their debits as `amount`. One of a voided batch may be empty."""
    lines = JournalLine.objects.filter(journal=OuterRef("pk"))
    return Journal.objects.filter(Exists(lines), entity=entity).annotate(amount=Sum("lines__debit")).order_by("key")


def waiting(entity: Entity, months: Collection[date]) -> list[Journal]:
    """What of these months is not exported."""
    rows = booked(entity).filter(period__in=months).exclude(state=State.EXPORTED)
    return list(rows.select_related("approved_by", "of_settlement__version__settlement"))


def money_of(rows: Iterable[Journal]) -> dict[str, Decimal]:
    """{currency: debits}"""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for journal in rows:
        found[journal.currency] += journal.amount
    return dict(found)


def locked_under(versions: Collection[SettlementVersion]) -> dict[date, int]:
    """The locked months in which journals of these versions wait, with how many."""
    locks = PeriodLock.objects.filter(entity=OuterRef("entity"), month=OuterRef("period"), unlocked_at=None)
    rows = Journal.objects.filter(Exists(locks), of_settlement__version__in=versions).exclude(state=State.EXPORTED)
    return dict(rows.order_by("period").values_list("period").annotate(Count("pk")))


def preview_post_later(*, entity: Entity, month: date) -> Plan:
    """`detail` has `month`, `later` and `moves`, the journals that wait."""
    settle(entity.pk)
    later = first_open(month, locked_months(entity))
    moves = waiting(entity, [month])
    if not moves or later == month:
        raise Refused(f"Nothing waits for {month:%B %Y}.", code="nothing-waits")
    approved = sum(row.state == State.APPROVED for row in moves)
    back = f" {approved} approved go{'es' if approved == 1 else ''} back to draft." if approved else ""
    return Plan(
        effect=f"Post {len(moves):,} journal{'' if len(moves) == 1 else 's'} in {later:%B %Y}",
        says=f"{month:%B %Y} stays locked and as it is.{back} All of them or none of them.",
        digest=digest(entity.pk, month, later, [(row.pk, row.state, row.lines_hash) for row in moves]),
        detail={"month": month, "later": later, "moves": moves},
    )


@transaction.atomic
def post_later(*, entity: Entity, month: date, reason: str, actor: User) -> list[Journal]:
    """Move what waits for a locked month to the first open one after it, dated on its first day at the earliest.

    An approved one is a draft again: what was approved said another month.
    """
    check_may(actor, POST_LATER, entity)
    detail = preview_post_later(entity=entity, month=month).detail
    later, moves = detail["later"], detail["moves"]
    AuditEntry.objects.record_all(
        AuditEntry(
            actor=actor,
            actor_name=actor.name,
            entity=entity,
            verb="journal.posted-later",
            subject=f"journal:{row.pk}",
            before={"month": f"{month:%Y-%m}", "dated": row.dated.isoformat(), "state": row.state},
            after={"month": f"{later:%Y-%m}", "dated": max(row.dated, later).isoformat()},
            reason=reason,
        )
        for row in moves
    )
    moved = f"{actor} moved it to {later:%B %Y}, because {month:%B %Y} is locked."
    for row in moves:
        row.period, row.dated = later, max(row.dated, later)
        if row.state == State.APPROVED:
            row.end_approval(f"{row.approved_by} had approved it. Then {moved}")
    Journal.objects.bulk_update(moves, ["period", "dated", *Journal.APPROVAL])
    journals.rebuild([row.of_settlement.version_id for row in moves], because=moved)
    return moves
