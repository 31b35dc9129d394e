"""Who works in a company and as what. An admin decides it there and nowhere else, and never for themselves.

Being admin does not imply approving: nobody gives themselves a role. Another admin does, or whoever runs the server, by
`manage.py add_person`; so a company in which one person does everything has decided so where its audit shows it.
"""

from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.core import leaving, lockouts, passwords, sign_ins
from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity, Membership, SignIn, User
from apps.core.permissions import KEEP_PEOPLE, Role, check_may


@transaction.atomic
def set_roles(*, person: User, entity: Entity, roles: Collection[Role], reason: str, actor: User) -> None:
    """Exactly these roles in this company from the person's next request on; none at all: the company is not theirs."""
    check_may(actor, KEEP_PEOPLE, entity)
    Entity.objects.select_for_update(no_key=True).get(pk=entity.pk)  # two admins do not both leave at once
    held, wanted = check_roles(person=person, entity=entity, roles=roles, actor=actor)
    if not reason.strip():
        raise Refused("Say why, for whoever audits this later.", field="reason")
    strangers = passwords.strangers(person, entity)
    person.memberships.filter(entity=entity).exclude(role__in=wanted).delete()
    Membership.objects.bulk_create(Membership(user=person, entity=entity, role=role) for role in wanted - held)
    AuditEntry.objects.record(
        actor=actor,
        entity=entity,
        verb="person.roles",
        subject=f"person:{person.pk}",
        before={"roles": sorted(held)},
        after={"name": person.name, "roles": sorted(wanted)},
        reason=reason.strip(),
    )
    if strangers:
        passwords.close(person=person, actor=actor)
    leaving.tell(person=person, entities=[entity], actor=actor)


def check_roles(
    *, person: User, entity: Entity, roles: Collection[Role], actor: User
) -> tuple[frozenset[Role], frozenset[Role]]:
    """The roles held now, and those wanted. Refused where nothing changes, and where it may not be."""
    held = frozenset(Role(role) for role in person.memberships.filter(entity=entity).values_list("role", flat=True))
    wanted = frozenset(roles)
    if held == wanted:
        raise Refused("These are the roles now. Tick or untick one and its effect is shown here.", code="no-change")
    if actor == person and wanted - held:
        raise NotAllowed(f"Nobody gives themselves a role. {_who_else(entity, actor)}")
    if Role.ADMIN in held - wanted:
        _check_not_last(person, [entity])
    return held, wanted


@transaction.atomic
def switch_off(*, person: User, reason: str, actor: User) -> None:
    """Nobody signs in as the person any more, their sessions end, and their tokens open nothing; what they did keeps
    their name, and what waited for them goes back to their teams.
    """
    if not reason.strip():
        raise Refused("Say why, for whoever audits this later.", field="reason")
    mine = Entity.objects.filter(pk__in=person.memberships.values("entity_id")).order_by("pk")
    entities = list(mine.select_for_update(no_key=True))  # two admins do not both leave at once
    check_off(person=person, actor=actor)
    if not User.objects.filter(pk=person.pk, is_active=True).update(is_active=False):
        raise Refused(f"{person.name} is switched off already.", code="no-change")
    sign_ins.end(SignIn.objects.all(), person=person, actor=actor, reason=reason)
    _record("person.switched-off", person, actor, reason)
    leaving.tell(person=person, entities=entities, actor=actor)


def check_off(*, person: User, actor: User) -> None:
    """Refused where the account may not be switched off."""
    check_account(person, actor)
    _check_not_last(person, list(Entity.objects.filter(memberships__user=person, memberships__role=Role.ADMIN)))


@transaction.atomic
def switch_on(*, person: User, reason: str, actor: User) -> None:
    """The person signs in again, with the roles and the password of before."""
    check_account(person, actor)
    if not reason.strip():
        raise Refused("Say why, for whoever audits this later.", field="reason")
    if not User.objects.filter(pk=person.pk, is_active=False).update(is_active=True):
        raise Refused(f"{person.name} is on already.", code="no-change")
    _record("person.switched-on", person, actor, reason)


@transaction.atomic
def sign_out(*, person: User, reason: str, actor: User) -> int:
    """End all sessions of the person; how many it were. They may sign in again."""
    check_account(person, actor)
    return sign_ins.end(SignIn.objects.all(), person=person, actor=actor, reason=reason)


@transaction.atomic
def unlock(*, person: User, entity: Entity, reason: str, actor: User) -> None:
    """Sign-in is open again from everywhere after too many wrong passwords. Any admin of one of their companies may say so:
    it lets nobody in who does not know the password.
    """
    check_locked(person=person, entity=entity, actor=actor)
    if not reason.strip():
        raise Refused("Say why, for whoever audits this later.", field="reason")
    lockouts.forget(person)
    AuditEntry.objects.record(
        actor=actor,
        entity=entity,
        verb="person.unlocked",
        subject=f"person:{person.pk}",
        after={"name": person.name},
        reason=reason.strip(),
    )


def check_locked(*, person: User, entity: Entity, actor: User) -> datetime:
    """Until when sign-in is closed to the person from somewhere. Refused where it is not, or not for this admin to open.

    Once while a lock lasts, whoever opens it: else an admin could guess passwords without end.
    """
    check_may(actor, KEEP_PEOPLE, entity)
    if actor == person:
        raise NotAllowed("Nobody unlocks their own account: another admin does, or it opens by itself.")
    if not person.memberships.filter(entity=entity).exists():
        raise NotAllowed(f"{person.name} has no role at {entity.name}.")
    now = timezone.now()
    until = lockouts.closed_until(person, now)
    if until is None:
        raise Refused(f"{person.name} is not locked out.", code="no-change")
    unlocked = AuditEntry.objects.about(f"person:{person.pk}").filter(verb="person.unlocked")
    if unlocked.filter(at__gt=now - settings.AXES_COOLOFF_TIME).exists():
        raise Refused(
            f"{person.name} was unlocked a short while ago and is locked out again. It opens by itself; a new link brings a new "
            "password sooner.",
            code="unlocked",
        )
    return until


def check_account(person: User, actor: User) -> None:
    """Raises NotAllowed unless the person's whole account is this admin's to keep, and not their own."""
    if actor == person:
        raise NotAllowed("This is your own account. What is yours to change stands under your name.")
    if not actor.keeps(person):
        raise NotAllowed(
            f"{person.name}'s account is not yours alone to keep: an admin of all their companies can. "
            "You can take away the roles in yours."
        )


def _check_not_last(person: User, entities: Collection[Entity]) -> None:
    others = Membership.objects.filter(role=Role.ADMIN, user__is_active=True).exclude(user=person)
    safe = set(others.filter(entity__in=entities).values_list("entity_id", flat=True))
    if lonely := [entity.name for entity in entities if entity.pk not in safe]:
        raise Refused(f"{person.name} is the last admin of {', '.join(lonely)}. Make somebody else admin first.")


def _who_else(entity: Entity, actor: User) -> str:
    others = User.objects.filter(memberships__entity=entity, memberships__role=Role.ADMIN, is_active=True)
    names = list(others.exclude(pk=actor.pk).order_by("name").values_list("name", flat=True)[:3])
    if names:
        return f"{' or '.join(names)} can."
    return f"You are the only admin of {entity.name}: invite another, or ask whoever runs the server."


def _record(verb: str, person: User, actor: User, reason: str) -> None:
    AuditEntry.objects.record(
        actor=actor,
        entity=None,
        verb=verb,
        subject=f"person:{person.pk}",
        after={"name": person.name},
        reason=reason.strip(),
    )
