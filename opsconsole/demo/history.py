"""What the thirteen weeks before would have left behind: cases that ended, so that the trends have something to show.

Written as rows, since nothing can be done in the past: the same each time, counted back from today.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.catalog.models import Listing
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import Team
from apps.exceptions.models import Case, State
from apps.exceptions.rules import score
from apps.exceptions.types import REGISTRY
from apps.integrations.models import Connection
from apps.settlements.models import FeeSignature
from apps.settlements.rules import FIELDS
from opsconsole.demo.people import BRACKENFOLD, LINDWICK, MARTA, PRIYA, TOM, Company, Person

DAYS = 13 * 7
BUSY = {BRACKENFOLD: (2, 5), LINDWICK: (0, 1)}  # cases a day, at least and at most
FIXES = {Team.FINANCE: {BRACKENFOLD: PRIYA, LINDWICK: MARTA}, Team.ECOMMERCE: {BRACKENFOLD: TOM}}
FIXED = 0.6  # of those that a person can
WORDS = {State.RESOLVED: "Mapped.", State.CLEARED: "A check of this cause finds it gone."}


@dataclass(frozen=True)
class Cause:
    """`facts` has no date yet: a case gets those of the day it opened."""

    code: str
    subject: str
    lines: int
    stake: Decimal
    facts: dict[str, Any]


@transaction.atomic
def remember(entities: Mapping[Company, Entity], people: Mapping[Person, User]) -> None:
    """Cases of both companies and their entries in the audit trail, once; after the settlements, whose fees they name."""
    if Case.objects.filter(opened_at__lt=timezone.now() - timedelta(days=1)).exists():
        return
    random = Random(DAYS)
    cases = []
    for company, entity in entities.items():
        causes = list(_causes(entity, random))
        for day in range(DAYS, 2, -1):
            opened = [_opened_at(day, random) for _ in range(random.randint(*BUSY[company]))]
            cases += [_case(random.choice(causes), company, entity, at, people, random) for at in opened]
    entries = []
    for case in Case.objects.bulk_create(sorted(cases, key=lambda case: case.opened_at)):
        entries += _entries(case)
    AuditEntry.objects.record_all(sorted(entries, key=lambda entry: entry.at))


def _causes(entity: Entity, random: Random) -> Iterator[Cause]:
    currency = entity.base_currency
    live = entity.cases.filter(type="settlement.fee-unmapped").values("subject")
    for fee in FeeSignature.objects.filter(entity=entity).exclude(key__in=live).order_by("key")[:12]:
        stake = _pence(random, 20, 600)
        facts = {field: getattr(fee, field) for field in FIELDS}
        facts |= {
            "signature_id": fee.pk,
            "sign": "charge",
            "amounts": {currency: str(-stake)},
            "blocked": {},
            "settlements": [],
        }
        yield Cause("settlement.fee-unmapped", fee.key, random.randint(1, 200), stake, facts)
    for listing in Listing.objects.filter(connection__entity=entity).order_by("pk")[:12]:
        orders, stake = random.randint(1, 12), _pence(random, 15, 900)
        facts = {
            "listing_id": listing.pk,
            "sku": listing.sku,
            "marketplace": listing.marketplace,
            "title": listing.title,
        }
        facts |= {"uses": {}, "orders": orders, "units": orders, "unpriced": 0, "amounts": {currency: str(stake)}}
        yield Cause("sku.unmapped", str(listing.pk), orders, stake, facts)
    for connection in Connection.objects.filter(entity=entity).order_by("pk"):
        stake = _pence(random, 15, 90)
        facts = {
            "connection": connection.name,
            "connection_id": connection.pk,
            "orders": [],
            "amounts": {currency: str(stake)},
        }
        yield Cause("order.late-ship", str(connection.pk), 1, stake, facts)


def _case(
    cause: Cause, company: Company, entity: Entity, opened_at: datetime, people: Mapping[Person, User], random: Random
) -> Case:
    kind = REGISTRY[cause.code]
    fixer = FIXES.get(kind.team, {}).get(company)
    by = people[fixer] if fixer and random.random() < FIXED else None
    state = State.RESOLVED if by else State.CLEARED
    took = timedelta(minutes=random.randint(10, 400) if by else random.randint(5, 300))
    day = opened_at.date().isoformat()
    return Case(
        type=cause.code,
        entity=entity,
        subject=f"{cause.subject}:{day}" if cause.code == "order.late-ship" else cause.subject,
        team=kind.team,
        state=state,
        holds_back=kind.holds_back,
        diagnosis=kind.diagnosis,
        facts=cause.facts
        | {"first": day, "day": day, "oldest": opened_at.isoformat(), "first_ship_by": opened_at.isoformat()},
        lines=cause.lines,
        stake=cause.stake,
        currency=entity.base_currency,
        worth=cause.stake,
        due_at=opened_at + kind.respond_within,
        score=score(cause.stake, kind.floor, opened_at + kind.respond_within),
        opened_at=opened_at,
        ended_at=opened_at + took,
        ended_by=by,
        ending={"words": WORDS[state], "checked_at": (opened_at + took).isoformat()},
    )


def _entries(case: Case) -> Iterator[AuditEntry]:
    weight = {"lines": case.lines, "stake": str(case.stake), "currency": case.currency}
    about = {"entity": case.entity, "subject": case.audit_subject}
    yield AuditEntry(
        **about, at=case.opened_at, actor_name="opsconsole", verb="case.opened", after=weight | {"earlier": None}
    )
    yield AuditEntry(
        **about,
        at=case.ended_at,
        actor=case.ended_by,
        actor_name=case.ended_by.name if case.ended_by else "opsconsole",
        verb=f"case.{case.state}",
        before=weight | {"state": "open"},
        after={"state": case.state, **case.ending},
    )


def _opened_at(days_ago: int, random: Random) -> datetime:
    """In working hours."""
    day = datetime.combine(timezone.now().date(), time(8), UTC) - timedelta(days=days_ago)
    return day + timedelta(minutes=random.randint(0, 540))


def _pence(random: Random, least: int, most: int) -> Decimal:
    return Decimal(random.randint(least * 100, most * 100)) / 100
