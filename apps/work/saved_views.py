"""Filters that people keep: each their own, and a team together. Who reads a queue may keep views of it."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction
from django.db.models import Q

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import Team
from apps.work.filters import CaseFilter
from apps.work.models import SavedView

MOST = 20  # views that a person, or a team, keeps of one queue: each has its badge
NAME_LONGEST = SavedView._meta.get_field("name").max_length


@transaction.atomic
def save(*, actor: User, asked: CaseFilter, name: str) -> SavedView:
    """Keep the filter of a queue that the person reads, as the person's own."""
    team = Team(asked.team)
    if not any(team in teams for teams in actor.teams_seen_in().values()):
        raise NotAllowed(f"Your role does not read the queue of {team.label}. Nothing was saved.")
    _check_room(SavedView.objects.filter(owner=actor, entity=None, team=team), "You keep")
    view = SavedView(owner=actor, team=team, name=_named(name), asks=asked.params())
    with _one_per_name(view):
        view.save(force_insert=True)
    _record(view, actor, "view.saved", after={"name": view.name, "shows": asked.words(actor)})
    return view


@transaction.atomic
def rename(*, view: SavedView, actor: User, name: str) -> SavedView:
    view = _locked(view, actor)
    before, view.name = view.name, _named(name)
    with _one_per_name(view):
        view.save(update_fields=["name"])
    _record(view, actor, "view.renamed", before={"name": before}, after={"name": view.name})
    return view


@transaction.atomic
def share(*, view: SavedView, actor: User, entity: Entity) -> SavedView:
    """Make one's own view that of the queue's team in a company, whose people may change it from then on."""
    view = _locked(view, actor)
    if view.entity_id:
        raise Refused(f"It is the view of {Team(view.team).label} at {view.entity.name} already.", code="shared")
    if not actor.works_for(Team(view.team), entity.pk):
        raise NotAllowed(f"Only the people of {Team(view.team).label} at {entity.name} can give their team a view.")
    _check_room(SavedView.objects.filter(entity=entity, team=view.team), f"{Team(view.team).label} keeps")
    view.entity = entity
    with _one_per_name(view):
        view.save(update_fields=["entity"])
    _record(view, actor, "view.shared", after={"name": view.name, "team": view.team})
    return view


@transaction.atomic
def remove(*, view: SavedView, actor: User) -> None:
    view = _locked(view, actor)
    _record(view, actor, "view.removed", before={"name": view.name, "shows": CaseFilter.of(view.asks).words(actor)})
    view.delete()


def saved_for(person: User, team: Team, entity_ids: Collection[int]) -> list[tuple[SavedView, CaseFilter]]:
    """The views of a queue that the person sees while these companies are in view, by name."""
    views = SavedView.objects.visible_to(person).filter(Q(entity=None) | Q(entity__in=entity_ids), team=team)
    return [(view, CaseFilter.of(view.asks)) for view in views.select_related("entity")]


def may_change(view: SavedView, person: User) -> bool:
    """One's own, or as one of the team's people the team's."""
    return person.works_for(Team(view.team), view.entity_id) if view.entity_id else view.owner_id == person.pk


def _locked(view: SavedView, actor: User) -> SavedView:
    """The view as it is now, nobody else's to change until the transaction ends. Raises Refused where it is gone."""
    locked = SavedView.objects.select_for_update(of=("self",)).select_related("entity")
    if (found := locked.filter(pk=view.pk).first()) is None:
        raise Refused(f"The view “{view.name}” is gone: somebody removed it.", code="gone")
    if not may_change(found, actor):
        who = f"The people of {Team(found.team).label} at {found.entity.name}" if found.entity_id else "Only its owner"
        raise NotAllowed(f"{who} can change this view. Nothing was changed.")
    return found


def _named(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise Refused("Give the view a name.", field="name")
    if len(name) > NAME_LONGEST:
        raise Refused(f"A name has at most {NAME_LONGEST} letters.", field="name")
    return name


def _check_room(kept, whose: str) -> None:
    if kept.count() >= MOST:
        raise Refused(f"{whose} {MOST} views of this queue already. Remove one first.", code="too-many")


@contextmanager
def _one_per_name(view: SavedView) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        whose = f"{Team(view.team).label} has" if view.entity_id else "You have"
        raise Refused(f"{whose} a view “{view.name}” already.", field="name", code="same-name") from error


def _record(view: SavedView, actor: User, verb: str, *, before: dict | None = None, after: dict | None = None) -> None:
    AuditEntry.objects.record(
        actor=actor, entity=view.entity, verb=verb, subject=view.audit_subject, before=before, after=after
    )
