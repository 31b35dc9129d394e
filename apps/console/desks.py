"""Where a person works for a team, and what was left there by the shift before."""

from dataclasses import dataclass

from django.urls import reverse
from django.utils import timezone

from apps.console.screens import Companies
from apps.core.models import Entity, User
from apps.core.permissions import Team
from apps.work.models import ShiftNote
from apps.work.shifts.operations import Choice


@dataclass(frozen=True)
class Left:
    """A note that nobody has taken over; `mine` is one that the reader wrote."""

    note: ShiftNote
    late: bool
    mine: bool

    @property
    def handed(self) -> list[dict]:
        return [move for move in self.note.moves if move["choice"] == Choice.HAND]


def left_to(user: User, companies: Companies, team: Team | None = None) -> list[Left]:
    """What waits for the people whom the reader works with, the oldest first. Two queries."""
    waiting = companies.within(ShiftNote.objects.visible_to(user).waiting()).order_by("pk")
    notes = (waiting.filter(team=team) if team else waiting).select_related("entity", "written_by", "to")
    now = timezone.now()
    return [
        Left(note, note.is_late(now), mine=note.written_by_id == user.pk)
        for note in notes.prefetch_related("carries__written_by")
        if user.works_for(Team(note.team), note.entity_id)
    ]


def desks(user: User, companies: Companies, team: Team | None = None) -> list[tuple[Entity, Team]]:
    """Where the person may end a shift."""
    teams = [team] if team else list(Team)
    return [(entity, each) for entity in companies.shown for each in teams if user.works_for(each, entity.pk)]


def way_to_end(found: list[tuple[Entity, Team]]) -> str:
    """The address of the one desk, or of the page where one is chosen; nothing for who has none."""
    if len(found) == 1:
        return reverse("end_shift", args=[found[0][0].pk, found[0][1].value])
    return f"{reverse('shifts')}#desks" if found else ""
