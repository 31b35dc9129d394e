"""Ending a shift and taking it over: the note as it was written, and what becomes of the writer's own cases with it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.locks import wait_for
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import Team
from apps.core.words import listed
from apps.exceptions.models import Case, State
from apps.exceptions.operations import assign, people_of, release
from apps.exceptions.sweep import hold
from apps.work.shifts.drafting import Shift, draft
from apps.work.shifts.models import ShiftNote

LONGEST = 4000  # letters of a note
OWN_ASKED = 50  # of a person's own cases; the others stay as they are
REACHES_BACK = timedelta(days=7)
FIRST_REACHES_BACK = timedelta(hours=24)  # where the team has no note yet
NAMES_SHOWN = 3


class Choice(StrEnum):
    """What becomes of a case of one's own."""

    KEEP = "keep"
    RELEASE = "release"
    HAND = "hand"


def shift_of(entity: Entity, team: Team, now: datetime) -> Shift:
    """From the team's last note until now."""
    last = ShiftNote.objects.filter(entity=entity, team=team).order_by("-pk").first()
    since = max(last.written_at, now - REACHES_BACK) if last else now - FIRST_REACHES_BACK
    return Shift(entity=entity, team=team, since=since, now=now)


def next_people(entity: Entity, team: Team, person: User) -> list[User]:
    """Who a shift can be left to."""
    return list(people_of([team], [entity.pk]).exclude(pk=person.pk))


def own_cases(entity: Entity, team: Team, person: User) -> list[Case]:
    """What is the person's, or what the person is at, by rank."""
    mine = Q(assigned_to=person) | Q(state=State.CLAIMED, claimed_by=person)
    live = Case.objects.live().filter(mine, entity=entity, team=team)
    return list(live.select_related("entity", "assigned_to", "claimed_by").by_rank()[:OWN_ASKED])


def waiting_note(entity: Entity, team: Team) -> ShiftNote | None:
    """The one that nobody has taken over yet."""
    return ShiftNote.objects.waiting().filter(entity=entity, team=team).select_related("written_by").first()


def check_works(actor: User, entity: Entity, team: Team) -> None:
    """Refuse who is none of the team, in words that say who is."""
    if not actor.works_for(team, entity.pk):
        names = listed(person.name for person in people_of([team], [entity.pk])[:NAMES_SHOWN])
        can = f"{names} can." if names else "Nobody has that role yet: an admin gives it."
        raise NotAllowed(f"You do not work for {team.label} at {entity.name}. {can} Nothing was changed.")


def check_next(entity: Entity, team: Team, actor: User, to: User | None) -> None:
    """Refuse where nobody is there to take over, or not this person."""
    people = next_people(entity, team, actor)
    if not people:
        raise Refused(
            f"Nobody else works for {team.label} at {entity.name}, so nobody can take over. An admin gives the role.",
            code="nobody-next",
        )
    if to is not None and to not in people:
        raise Refused(f"{to.name} does not work for {team.label} at {entity.name}.", field="to", code="not-of-team")


@transaction.atomic
def end_shift(
    *, entity: Entity, team: Team, actor: User, to: User | None, words: str, choices: Mapping[int, Choice]
) -> ShiftNote:
    """Leave a note to the team, or to one of it, and do with each own case what was chosen: {case id: choice}.

    A note that still waits is carried along. Raises NotAllowed, or Refused where a case cannot be moved.
    """
    check_works(actor, entity, team)
    _take_turn(entity.pk)
    chosen = Case.objects.filter(pk__in=choices, entity=entity)
    hold(chosen.values_list("type", "entity_id").distinct())  # all at once, so that no two of these wait for each other
    cases = [case for case in own_cases(entity, team, actor) if case.pk in choices]  # read after the wait: one may be another's
    check_next(entity, team, actor, to)
    shift, waiting = shift_of(entity, team, timezone.now()), waiting_note(entity, team)
    moves = [_move(case, choices[case.pk], actor, to) for case in cases]
    note = ShiftNote(
        entity=entity,
        team=team,
        written_by=actor,
        written_at=shift.now,
        since=shift.since,
        to=to,
        words=words.strip(),
        facts=[section.said for section in draft(shift)],
        moves=moves,
    )
    _write(note, waiting)
    AuditEntry.objects.record(
        actor=actor,
        entity=entity,
        verb="shift.ended",
        subject=note.audit_subject,
        after={
            "team": team.label,
            "to": to.name if to else team.label,
            "cases": {move["words"]: move["did"] for move in moves},
            "carries": waiting.audit_subject if waiting else "",
        },
        reason=note.words,
    )
    return note


@transaction.atomic
def take_over(*, note: ShiftNote, actor: User) -> ShiftNote:
    """Sign that one has read the note, and with it those that it carries."""
    _take_turn(note.entity_id)
    note = ShiftNote.objects.select_for_update(of=("self",)).select_related("entity", "written_by", "taken_by").get(pk=note.pk)
    check_works(actor, note.entity, Team(note.team))
    if note.state == ShiftNote.State.CARRIED:
        raise Refused("A later note carries this one: take that one over.", code="carried")
    if note.state == ShiftNote.State.TAKEN:
        raise Refused(f"{note.taken_by.name} has taken it over already.", code="taken")
    if note.written_by == actor:
        raise Refused("You wrote it: whoever comes next takes it over.", code="own-note")
    note.state, note.taken_by, note.taken_at = ShiftNote.State.TAKEN, actor, timezone.now()
    note.save(update_fields=["state", "taken_by", "taken_at"])
    AuditEntry.objects.record(
        actor=actor,
        entity=note.entity,
        verb="shift.taken-over",
        subject=note.audit_subject,
        after={"written by": note.written_by.name, "team": Team(note.team).label},
    )
    return note


def did(case: Case, choice: Choice, actor: User, to: User | None) -> str:
    """What becomes of the case, in words."""
    match choice:
        case Choice.HAND:
            return f"{to.name}’s from now on" if to else "Handed over"
        case Choice.RELEASE:
            return "Nobody’s from now on" if _is_whole(case, actor) else f"Put back; it is {case.assigned_to.name}’s"
        case Choice.KEEP:
            return f"Stays {actor.name}’s" if case.assigned_to == actor else f"{actor.name}’s until the claim lapses"


def _take_turn(entity_id: int) -> None:
    """Wait until nobody else ends or takes over a shift of the company: a note is carried, or taken, not both."""
    wait_for(f"shifts of {entity_id}")


def _is_whole(case: Case, actor: User) -> bool:
    """Whether nobody else has a part in it."""
    return case.assigned_to in (None, actor)


def _move(case: Case, choice: Choice, actor: User, to: User | None) -> dict[str, str]:
    """Do it; what was done as the note keeps it."""
    said = {
        "words": case.kind.headline(case),
        "path": reverse("case", args=[case.pk]),
        "choice": choice.value,
        "did": did(case, choice, actor, to),
    }
    if choice == Choice.KEEP:
        return said
    if choice == Choice.HAND and to is None:
        raise Refused("Say to whom: a case goes to one person.", field="to", code="to-whom")
    if case.state == State.CLAIMED and case.claimed_by == actor:
        release(case=case, actor=actor)
    wanted = to if choice == Choice.HAND else None if _is_whole(case, actor) else case.assigned_to
    if case.assigned_to != wanted:
        assign(case=case, actor=actor, to=wanted)
    return said


def _write(note: ShiftNote, waiting: ShiftNote | None) -> None:
    """One note waits at a time: the one before steps back first, with those that it carries."""
    if waiting is None:
        note.save(force_insert=True)
        return
    carried = [waiting.pk, *waiting.carries.values_list("pk", flat=True)]
    ShiftNote.objects.filter(pk=waiting.pk).update(state=ShiftNote.State.CARRIED)
    note.save(force_insert=True)
    ShiftNote.objects.filter(pk__in=carried).update(carried_by=note)
