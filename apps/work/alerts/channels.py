"""Verbs for channels and for a company's measures. A team's own people keep its channels, admins those of every team."""

from datetime import datetime, time
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import InvalidToken
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models.functions import Greatest, Now
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import KEEP_ALERTS, SET_MEASURES, Role, Team, check_may, works_for
from apps.integrations.sealing import ROTATIONS, keys
from apps.work.alerts import outbox
from apps.work.alerts.composing import Message, queue_path
from apps.work.alerts.models import Alert, AlertPolicy, Channel
from apps.work.alerts.rules import GATHER, Policy, Severity
from apps.work.alerts.webhooks import check_url

MEASURES = tuple(Policy.__dataclass_fields__)
LOST = "The address of {} was sealed with a key that is not there any more. Put that key back, or enter the address again."


def policy_of(entity: Entity) -> Policy:
    own = AlertPolicy.objects.filter(entity=entity).first()
    return Policy(**{name: getattr(own, name) for name in MEASURES}) if own else Policy()


def says_all_clear(entity: Entity) -> bool:
    return AlertPolicy.objects.filter(entity=entity, all_clear=True).exists()


@transaction.atomic
def add_channel(
    *, entity: Entity, team: Team, name: str, kind: Channel.Kind, address: str, actor: User, **settings: Any
) -> Channel:
    """Begin to tell a team. `address` is an e-mail address or a webhook's URL, which nothing shows again."""
    check_keeps(actor, entity, team)
    try:
        with transaction.atomic():
            channel = Channel.objects.create(
                entity=entity, team=team, name=name.strip(), kind=kind, **_address(kind, address), **settings
            )
    except IntegrityError:
        raise Refused(f"{entity.name} has a channel called {name} already.", field="name", code="taken") from None
    _audit(channel, actor, "channel.added", {}, shown(channel))
    return channel


@transaction.atomic
def change_channel(*, channel: Channel, actor: User, address: str = "", **settings: Any) -> Channel:
    """Change what it is told, and where if there is an address. Nothing that happened before is told by the change."""
    check_keeps(actor, channel.entity, Team(channel.team))
    channel = Channel.objects.select_for_update(of=("self",)).select_related("entity").get(pk=channel.pk)
    before = shown(channel)
    where = _address(channel.kind, address) if address else {}
    for field, value in {**settings, **where}.items():
        setattr(channel, field, value)
    channel.watched_from = Now()
    channel.fault, channel.fault_at = ("", None) if address else (channel.fault, channel.fault_at)
    channel.save()
    channel.refresh_from_db()
    _audit(channel, actor, "channel.changed", before, shown(channel))
    return channel


@transaction.atomic
def send_test(*, channel: Channel, actor: User) -> Alert:
    """A message that asks for nothing, to see whether it arrives."""
    check_keeps(actor, channel.entity, Team(channel.team))
    now = timezone.now()
    said = f"{actor.name} asked for this message. If you read it, {channel.name} works."
    message = Message(
        subject=f"A test of {channel.name} · {channel.entity.name}",
        body=[(said, ""), ("Open the queue", queue_path(channel.team))],
    )
    alert = outbox.write(
        channel=channel,
        kind=Alert.Kind.TEST,
        key=f"{channel.pk}:test:{now.isoformat()}",
        severity=Severity.LOW,
        message=message,
        now=now,
        leaves_at=now,
    )
    _audit(channel, actor, "channel.tested", {}, {})
    return alert


@transaction.atomic
def set_policy(*, entity: Entity, actor: User, reason: str, all_clear: bool, **measures: Any) -> AlertPolicy:
    """Change from when on a case counts as severe, when nobody holding it escalates, and what is a flood. What happened before
    is not told by the change, but for the last hour of it: what waits to be told is not lost.
    """
    check_may(actor, SET_MEASURES, entity)
    if not 0 < measures["normal_from"] <= measures["high_from"] <= measures["critical_from"]:
        raise Refused("The amounts rise from normal to critical.", field="high_from", code="not-rising")
    before = policy_of(entity)
    policy, _ = AlertPolicy.objects.update_or_create(entity=entity, defaults={**measures, "all_clear": all_clear})
    if any(getattr(before, name) != value for name, value in measures.items()):
        Channel.objects.filter(entity=entity).update(watched_from=Greatest("watched_from", Now() - GATHER))
    AuditEntry.objects.record(
        actor=actor,
        entity=entity,
        verb="alerts.measures-set",
        subject=f"alerts:{entity.pk}",
        before={name: str(getattr(before, name)) for name in measures if getattr(before, name) != measures[name]},
        after={name: str(value) for name, value in measures.items() if getattr(before, name) != value},
        reason=reason,
    )
    return policy


def check_keeps(actor: User, entity: Entity, team: Team) -> None:
    check_may(actor, KEEP_ALERTS, entity)
    if not keeps(actor, entity.pk, team):
        raise NotAllowed(f"{team.label}'s own people and admins of {entity.name} keep its channels. Nothing was changed.")


def keeps(actor: User, entity_id: int, team: Team) -> bool:
    return any(role == Role.ADMIN or works_for(role, team) for role in actor.roles_in(entity_id))


def open_address(channel: Channel) -> str:
    """Where it posts to, in the clear: for sending alone."""
    try:
        return keys().decrypt(bytes(channel.sealed)).decode()
    except InvalidToken:
        raise Refused(LOST.format(channel.name), code="credentials-lost") from None


@transaction.atomic
def rotate() -> int:
    """Seal all addresses again with the first key; how many. Refused where one cannot be opened."""
    sealing, channels = keys(), list(Channel.objects.exclude(sealed=None).select_for_update().order_by("pk"))
    for channel in channels:
        try:
            channel.sealed = sealing.rotate(bytes(channel.sealed))
        except InvalidToken:
            raise Refused(f"{LOST.format(channel.name)} Nothing was sealed again.", code="credentials-lost") from None
    Channel.objects.bulk_update(channels, ["sealed"], batch_size=500)
    return len(channels)


ROTATIONS.append(rotate)


def shown(channel: Channel) -> dict[str, Any]:
    """The channel as the audit keeps it: a webhook by its host and its end."""
    return {
        "name": channel.name,
        "to": channel.address,
        "from severity": Severity(channel.least).label,
        "quiet": f"{_clock(channel.quiet_from)}–{_clock(channel.quiet_until)}" if channel.quiet_from is not None else "never",
        "digest": _clock(channel.digest_at) or "none",
        "takes": "escalations" if channel.escalations else "alerts",
        "active": channel.active,
    }


def check_address(kind: str, address: str) -> None:
    """Refuse, in words, what can be no address of this kind, or is too long to be kept."""
    if kind == Channel.Kind.EMAIL:
        try:
            validate_email(address)
        except ValidationError:
            raise Refused("This is no e-mail address. Expected one such as ops@example.com.", field="address") from None
    else:
        check_url(address)
    longest = Channel._meta.get_field("address").max_length
    if len(_address_shown(kind, address)) > longest:
        raise Refused(f"This address is too long. Expected {longest} characters at most.", field="address")


def _address(kind: str, address: str) -> dict[str, Any]:
    address = address.strip()
    check_address(kind, address)
    sealed = None if kind == Channel.Kind.EMAIL else keys().encrypt(address.encode())
    return {"address": _address_shown(kind, address), "sealed": sealed}


def _address_shown(kind: str, address: str) -> str:
    return address if kind == Channel.Kind.EMAIL else f"{urlsplit(address).hostname} …{address[-4:]}"


def _clock(at: time | datetime | None) -> str:
    return f"{at:%H:%M}" if at is not None else ""


def _audit(channel: Channel, actor: User, verb: str, before: dict, after: dict) -> None:
    AuditEntry.objects.record(
        actor=actor, entity=channel.entity, verb=verb, subject=f"channel:{channel.pk}", before=before, after=after
    )
