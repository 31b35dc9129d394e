"""Settlements with how far each has come, and the files that were refused."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse

from apps.console import words
from apps.console.screens import PAGE, door, page_of, query_without, render_screen
from apps.core.models import User
from apps.core.permissions import READ_MONEY, TAKE_FILES
from apps.ledger.models import Journal, JournalLine
from apps.settlements.leg_changes import LEGS
from apps.settlements.models import FileReading, Settlement, SettlementJournal, SettlementVersion, version_that_counts

State = SettlementVersion.State
REFUSED_SHOWN = 20
WAITING = (State.HELD, State.CHANGED)
VIEWS = {
    "all": ("All", Q()),
    "stopped": ("Stopped by a fee", Q(versions__journals__journal__state=Journal.State.INCOMPLETE)),
    "waiting": ("Held or changed", Q(versions__state__in=WAITING)),
    "drafted": (
        "Drafts complete",
        Q(versions__journals__journal__state=Journal.State.DRAFT)
        & ~Exists(
            SettlementJournal.objects.filter(
                version__settlement=OuterRef("pk"), journal__state=Journal.State.INCOMPLETE
            )
        ),
    ),
}


@dataclass(frozen=True)
class Row:
    """A settlement, the version that counts for it, and its way into the books."""

    settlement: Settlement
    version: SettlementVersion
    waiting: SettlementVersion | None
    journals: list[Journal]
    stopped_by: int

    @property
    def stages(self) -> list[tuple[str, str]]:
        """Four stages as (class, words): read, tied out, mapped, drafted."""
        if self.version.state not in (State.TAKEN, State.SUPERSEDED):
            return [("done", "Read"), ("stop", "Does not tie"), ("", "Mapped"), ("", "Drafts")]
        if self.stopped_by:
            stopped = f"Stopped by {self.stopped_by:,}"
            return [("done", "Read"), ("done", "Tied out"), ("stop", stopped), ("", "Drafts")]
        return [("done", "Read"), ("done", "Tied out"), ("done", "Mapped"), _last_stage(self.journals)]


@door(READ_MONEY)
def settlements(request: HttpRequest) -> HttpResponse:
    view = request.GET.get("view", "all")
    view = view if view in VIEWS else "all"
    visible = request.companies.within(Settlement.objects.visible_to(request.user))
    wanted = visible.filter(pk__in=visible.filter(VIEWS[view][1]).values("pk")) if view != "all" else visible
    shown, more = page_of(wanted.filter(_after(request.GET.get("after", ""))).order_by("-end_at", "-pk"), PAGE)
    refused = refused_files(request.user, request.companies)
    context: dict[str, Any] = {
        "views": [(name, label) for name, (label, _) in VIEWS.items()],
        "view": view,
        "rows": rows_of(shown),
        "refused": list(refused[:REFUSED_SHOWN]),
        "held": list(held_legs(request.user, request.companies)[:REFUSED_SHOWN]),
        "next": f"{shown[-1].end_at.isoformat()}~{shown[-1].pk}" if more else "",
        "kept": query_without(request, "after"),
        "may_upload": request.user.may_anywhere(TAKE_FILES),
        "several": request.companies.several,
    }
    return render_screen(request, "settlements.html", context, partial="rows")


def refused_files(user: User, companies: Any) -> QuerySet[FileReading]:
    """Files that could not be read and that no corrected file replaced, the newest first."""
    return _readings(user, companies).filter(status=FileReading.Status.REFUSED, replaced_by=None)


def held_legs(user: User, companies: Any) -> QuerySet[FileReading]:
    """Files of order legs that wait for a person's look, the newest first."""
    return _readings(user, companies).filter(status=FileReading.Status.HELD, reason=LEGS)


def _readings(user: User, companies: Any) -> QuerySet[FileReading]:
    mine = FileReading.objects.filter(file__connection__entity_id__in=user.entities_where(READ_MONEY))
    return (
        companies.within(mine, "file__connection__entity_id")
        .select_related("file__connection")
        .order_by("-read_at", "-pk")
    )


def rows_of(settlements: list[Settlement]) -> list[Row]:
    """With versions and journals, in three queries whatever the number."""
    found = Settlement.objects.select_related("entity", "connection").prefetch_related(
        Prefetch("versions", SettlementVersion.objects.select_related("file"))
    )
    by_key = found.in_bulk([settlement.pk for settlement in settlements])
    counting = {key: version_that_counts(list(settlement.versions.all())) for key, settlement in by_key.items()}
    journals: dict[int, list[Journal]] = defaultdict(list)
    booked = SettlementJournal.objects.filter(version__settlement__in=by_key).select_related("journal", "version")
    for row in booked.order_by("month", "number"):
        journals[row.version.settlement_id].append(row.journal)
    place = "journal__of_settlement__version__settlement"
    stopped = JournalLine.objects.filter(account=None, **{f"{place}__in": by_key}).values_list(place)
    causes = dict(stopped.annotate(Count("label", distinct=True)))
    return [
        Row(
            by_key[settlement.pk],
            counting[settlement.pk],
            next((v for v in by_key[settlement.pk].versions.all() if v.state in WAITING), None),
            journals[settlement.pk],
            causes.get(settlement.pk, 0),
        )
        for settlement in settlements
    ]


def _last_stage(journals: list[Journal]) -> tuple[str, str]:
    """How many of the journals are furthest behind: drafts before approved ones."""
    states = [journal.state for journal in journals]
    if Journal.State.DRAFT in states or not states:
        return "here", words.counted(states.count(Journal.State.DRAFT), "draft")
    if Journal.State.APPROVED in states:
        return "here", f"{states.count(Journal.State.APPROVED)} approved"
    return "done", "Exported"


def _after(cursor: str) -> Q:
    """The settlements behind "end~id"; all of them for a cursor that is none of ours."""
    at, _, pk = cursor.partition("~")
    try:
        end = datetime.fromisoformat(at)
        return Q(end_at__lt=end) | Q(end_at=end, pk__lt=int(pk))
    except ValueError:
        return Q()
