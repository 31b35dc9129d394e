"""stock.snapshot-stale: what Amazon holds was last counted too long ago to sell from."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from apps.core.permissions import Team
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import ExceptionType, Finding, Runbook, Scope, register
from apps.integrations.feeds import silent
from apps.integrations.marketplaces import name_of
from apps.integrations.models import Source
from apps.inventory.exception_types.pulling import PULL_AGAIN
from apps.inventory.models import FEED, Snapshot
from apps.inventory.rules import stale_after

CODE = "stock.snapshot-stale"


def stale_snapshots(scope: Scope) -> Iterator[Finding]:
    """One finding for each connection: a scan counts all its marketplaces, so they grow old together."""
    now = timezone.now()
    sources = Source.objects.filter(connection__entity=scope.entity, feed=FEED).select_related("connection")
    snapshots = Snapshot.objects.current().filter(connection__in=[source.connection_id for source in sources])
    counted: dict[int, dict[str, datetime]] = {}
    for place, marketplace, began in snapshots.values_list("connection", "marketplace", "began_at"):
        counted.setdefault(place, {})[marketplace] = began
    for source in sources.order_by("pk"):
        marketplaces = counted.get(source.connection_id, {})
        since = min(marketplaces.values(), default=max(source.created_at, source.watched_from))
        if now - since > stale_after(source.every):
            yield _finding(source, since, marketplaces)


def _finding(source: Source, since: datetime, counted: dict[str, datetime]) -> Finding:
    place = source.connection
    waits = not (source.paused or place.revoked_at)
    return Finding(
        subject=str(source.connection_id),
        currency=place.entity.base_currency,
        lines=len(counted),
        diagnosis=Diagnosis.TRANSIENT if waits else Diagnosis.STRUCTURAL,
        due_at=since + stale_after(source.every) + timedelta(hours=4),
        facts={
            "source": source.pk,
            "connection": place.name,
            "connection_id": place.pk,
            "since": since.isoformat(),
            "every": int(source.every / timedelta(minutes=1)),
            "limit": int(stale_after(source.every) / timedelta(minutes=1)),
            "never": not counted,
            "why": "paused" if source.paused else "revoked" if place.revoked_at else "",
            "marketplaces": [
                {"id": marketplace, "name": name_of(marketplace), "began": began.isoformat()}
                for marketplace, began in sorted(counted.items())
            ],
        },
    )


def _headline(case: Case) -> str:
    facts: dict[str, Any] = case.facts
    if facts["never"]:
        return f"{facts['connection']} has not told us once what Amazon holds"
    why = {"paused": ": its feed is paused", "revoked": ": it is not authorised"}.get(facts["why"], "")
    return f"What Amazon holds for {facts['connection']} was last counted {_hours(case)} ago{why}"


def _hours(case: Case) -> str:
    """Of a case that has ended, as old as it had grown by then."""
    minutes = int(((case.ended_at or timezone.now()) - datetime.fromisoformat(case.facts["since"])) / timedelta(minutes=1))
    hours, rest = divmod(minutes, 60)
    if hours >= 72:
        return f"{hours // 24} days"
    return f"{hours} h {rest} m" if hours else f"{rest} m"


SNAPSHOT_STALE = register(ExceptionType(
    code=CODE,
    title="Stock was counted too long ago",
    counts="marketplace",
    team=Team.ECOMMERCE,
    diagnosis=Diagnosis.TRANSIENT,
    holds_back=True,
    floor=Decimal(200),
    respond_within=timedelta(hours=4),
    detect=stale_snapshots,
    doubts=silent(FEED),
    headline=_headline,
    panel="cases/stock_stale.html",
    actions=(PULL_AGAIN,),
    runbook=Runbook(
        impact="Nobody knows what can be picked now. What other channels sell may be gone at Amazon already.",
        steps=(
            "Look at the runs of the feed: a scan that fails says what Amazon answered.",
            "If the connection is not authorised, an admin renews Amazon's consent. If the feed is paused, ask who paused it.",
            "Pull again. The case ends by itself as soon as a scan is complete: half a scan counts for nothing.",
        ),
        prevention="Scan every 15 minutes. A scan that takes longer than its schedule needs a slower one.",
        escalate="To an admin when two scans in a row fail in the same way.",
    ),
))  # fmt: skip
