"""Cases of a person who does not work on them any more are their team's again."""

from collections.abc import Collection, Mapping

from django.db.models import Q, QuerySet

from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import Team
from apps.exceptions.models import Case, State
from apps.exceptions.sweep import hold
from apps.exceptions.waking import NOBODY_HAS_IT


def cases_of(person: User, queues: Mapping[int, Collection[Team]]) -> QuerySet[Case]:
    """What is assigned to the person, or what they are at, in these queues: {company: teams}."""
    within = Q(pk__in=[])
    for entity, teams in queues.items():
        within |= Q(entity=entity, team__in=teams)
    return Case.objects.live().filter(within, Q(assigned_to=person) | Q(claimed_by=person))


def return_cases(*, person: User, entities: Collection[Entity], actor: User) -> list[Case]:
    """In the caller's transaction: what was assigned to the person is nobody's, what they were at is open; as they are then.

    Only of teams that they do not work for now. Each timeline says who took the roles away, and so why.
    """
    now = User.objects.get(pk=person.pk)  # with the roles that are left
    theirs = cases_of(person, {entity.pk: [team for team in Team if not now.works_for(team, entity.pk)] for entity in entities})
    hold(theirs.values_list("type", "entity_id").distinct())
    cases = list(theirs.select_related("entity").order_by("pk"))  # read after the wait: another may have moved them
    at_it = [case for case in cases if case.state == State.CLAIMED and case.claimed_by_id == person.pk]
    Case.objects.filter(pk__in=[case.pk for case in at_it]).update(state=State.OPEN, **NOBODY_HAS_IT)
    Case.objects.filter(pk__in=[case.pk for case in cases], assigned_to=person).update(assigned_to=None)
    AuditEntry.objects.record_all(_entry(case, person, actor) for case in cases)
    return cases


def _entry(case: Case, person: User, actor: User) -> AuditEntry:
    at_it = case.state == State.CLAIMED and case.claimed_by_id == person.pk
    before = {"assigned_to": person.name} if case.assigned_to_id == person.pk else {}
    return AuditEntry(
        actor=actor,
        actor_name=actor.name,
        entity=case.entity,
        verb="case.returned",
        subject=case.audit_subject,
        before=before | ({"state": State.CLAIMED, "claimed_by": person.name} if at_it else {}),
        after=dict.fromkeys(before) | ({"state": State.OPEN, "claimed_by": None} if at_it else {}),
        reason=f"{person.name} does not work on {Team(case.team).label} exceptions at {case.entity.name} any more.",
    )
