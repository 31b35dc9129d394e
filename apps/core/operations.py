"""Companies and people: made here, and audited."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.core import passwords
from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity, Membership, User
from apps.core.money import words
from apps.core.permissions import KEEP_PEOPLE, SET_ONE_PERSON, SET_SECOND_PERSON, Role, check_may

PASSWORD_BYTES = 12


@dataclass(frozen=True, kw_only=True)
class Added:
    """A person as added. `password` is there where the command line made one, and is stored nowhere in clear. `closed`: the
    one that they had opens nothing any more (apps.core.passwords.close).
    """

    user: User
    password: str | None
    closed: bool = False


def create_entity(*, name: str, country: str, zone: str, base_currency: str, actor: User | None = None) -> Entity:
    """A new company. `actor` None is the person at the command line."""
    entity = Entity(name=name.strip(), country=country.upper(), zone=zone, base_currency=base_currency.upper())
    _check(entity)
    with transaction.atomic():
        entity.save()
        AuditEntry.objects.record(
            actor=actor,
            entity=entity,
            verb="entity.created",
            subject=f"entity:{entity.pk}",
            after={"name": entity.name, "country": entity.country, "zone": zone, "base_currency": entity.base_currency},
        )
    return entity


def add_person(*, email: str, name: str, entity: Entity, roles: Collection[Role], actor: User | None = None) -> Added:
    """Give a person roles in a company, with a new account where there is none. Roles they have already stay.

    `actor` None is the command line, which gets a password to hand over. An admin hands over a link (apps.core.passwords).
    """
    if actor is not None:
        check_may(actor, KEEP_PEOPLE, entity)
        if actor.email.casefold() == email.casefold():
            raise NotAllowed("Nobody gives themselves a role.")
    if not roles:
        raise Refused(f"Name at least one role: {', '.join(Role.values)}.", field="roles")
    password = None
    with transaction.atomic():
        user = User.objects.filter(email__iexact=email).first()
        if actor is not None and user is not None and not user.is_active:
            words = "This account is switched off. An admin of all its companies can switch it on; then give the roles."
            raise Refused(words, field="email")
        if user is None:
            password = secrets.token_urlsafe(PASSWORD_BYTES) if actor is None else None
            user = User(email=User.objects.normalize_email(email), name=name.strip())
            user.set_password(password)
            _check(user)
            user.save()
        closed = bool(passwords.strangers(user, entity))
        before = sorted(user.memberships.filter(entity=entity).values_list("role", flat=True))
        after = sorted({*before, *(Role(role).value for role in roles)})
        if after != before:
            Membership.objects.bulk_create(
                Membership(user=user, entity=entity, role=role) for role in after if role not in before
            )
            AuditEntry.objects.record(
                actor=actor,
                entity=entity,
                verb="person.added",
                subject=f"person:{user.pk}",
                before={"roles": before},
                after={"name": user.name, "email": user.email, "roles": after},
            )
        if closed:
            passwords.close(person=user, actor=actor)
            if actor is None:
                password = secrets.token_urlsafe(PASSWORD_BYTES)
                user.set_password(password)
                user.save(update_fields=["password"])
    return Added(user=user, password=password, closed=closed)


@transaction.atomic
def set_one_person(*, entity: Entity, on: bool, reason: str, actor: User) -> Entity:
    """Say whether who changed a mapping may approve the journals it is in. Holds from the next approval on."""
    check_may(actor, SET_ONE_PERSON, entity)
    if not reason.strip():
        raise Refused("Say why, for whoever audits this later.", field="reason")
    entity = Entity.objects.select_for_update(no_key=True).get(pk=entity.pk)
    if entity.one_person == on:
        raise Refused(f"The one-person setting of {entity.name} is {'on' if on else 'off'} already.", code="no-change")
    entity.one_person = on
    entity.save(update_fields=["one_person"])
    AuditEntry.objects.record(
        actor=actor,
        entity=entity,
        verb="entity.one-person",
        subject=f"entity:{entity.pk}",
        before={"one person": not on},
        after={"one person": on},
        reason=reason.strip(),
    )
    return entity


@transaction.atomic
def set_second_person(*, entity: Entity, above: Decimal | None, lines_above: int | None, reason: str, actor: User) -> Entity:
    """Say from which money (base currency) or lines on a change of the mapping takes a second person; None: never.

    Holds from the next change on.
    """
    check_may(actor, SET_SECOND_PERSON, entity)
    if not reason.strip():
        raise Refused("Say why, for whoever audits this later.", field="reason")
    entity = Entity.objects.select_for_update(no_key=True).get(pk=entity.pk)
    before = (entity.second_above, entity.second_lines_above)
    if (above, lines_above) == before:
        raise Refused(f"These are the limits of {entity.name} already.", code="no-change")
    entity.second_above, entity.second_lines_above = above, lines_above
    _check(entity)
    entity.save(update_fields=["second_above", "second_lines_above"])
    AuditEntry.objects.record(
        actor=actor,
        entity=entity,
        verb="entity.second-person",
        subject=f"entity:{entity.pk}",
        before=_limits(entity, *before),
        after=_limits(entity, above, lines_above),
        reason=reason.strip(),
    )
    return entity


def _limits(entity: Entity, above: Decimal | None, lines_above: int | None) -> dict[str, str]:
    return {
        "money above": "no limit" if above is None else words(above, entity.base_currency),
        "lines above": "no limit" if lines_above is None else f"{lines_above:,}",
    }


def _check(record: Entity | User) -> None:
    """The model's own checks, as words beside the first field that fails."""
    try:
        record.full_clean()
    except ValidationError as error:
        field, faults = next(iter(error.message_dict.items()))
        raise Refused(f"{field.replace('_', ' ').capitalize()}: {faults[0]}", field=field) from error
