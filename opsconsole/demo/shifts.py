"""What the demo's people left each other: finance took theirs over, Kofi finds one of the night."""

from apps.core.models import Entity, User
from apps.core.permissions import Team
from apps.exceptions import operations
from apps.exceptions.models import Case, State
from apps.integrations.jobs import STUCK_CODE
from apps.work.models import ShiftNote
from apps.work.shifts.operations import Choice, end_shift, take_over


def leave_notes(entity: Entity, *, priya: User, marta: User, kofi: User, nadia: User) -> None:
    """Each step once: a load that broke off goes on where it stopped."""
    if not ShiftNote.objects.filter(entity=entity, team=Team.FINANCE).exists():
        words = "The fee for returns is new: the runbook says where Amazon writes about it. One garden file came twice."
        note = end_shift(entity=entity, team=Team.FINANCE, actor=priya, to=marta, words=words, choices={})
        take_over(note=note, actor=marta)
    if not ShiftNote.objects.filter(entity=entity, team=Team.OPS).exists():
        stuck = Case.objects.live().filter(entity=entity, type=STUCK_CODE, state=State.OPEN)
        for case in stuck:
            operations.claim(case=case, actor=nadia)
        end_shift(
            entity=entity,
            team=Team.OPS,
            actor=nadia,
            to=kofi,
            words="A worker died three times on the German order legs. I asked for more memory, so run it again after ten.\n\n"
            "The carrier collects at four today, not at five.",
            choices={case.pk: Choice.HAND for case in stuck},
        )
