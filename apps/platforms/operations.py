"""What people do to a platform and its failed records: connect it, change its key or address, ask for retries, see to them."""

from collections.abc import Collection
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import KEEP_CONNECTIONS, RUN_JOBS, check_may
from apps.integrations import jobs
from apps.integrations.credentials import seal
from apps.integrations.models import Connection, JobState
from apps.platforms import keys
from apps.platforms.models import FailedRecord, Platform, Retry
from apps.platforms.rules import SILENT_AFTER
from apps.work.alerts.webhooks import check_url

SEND = "platforms.retry"
MOST_ASKED = 1000  # records of one retry
HOST_SHOWN = 150
LOST = "It left, and whoever sent it died before the answer came. It is not sent again by itself."

State = FailedRecord.State


@transaction.atomic
def connect(*, entity: Entity, name: str, address: str, token: str, actor: User) -> tuple[Platform, str]:
    """A new platform and the key by which it posts, in the clear this once. Without an address nothing is ever asked of it."""
    check_may(actor, KEEP_CONNECTIONS, entity)
    name = name.strip()
    if not name:
        raise Refused("Give it a name.", field="name")
    if Connection.objects.filter(entity=entity, name=name).exists():
        raise Refused(f"{entity.name} has a connection called {name} already.", field="name")
    connection = Connection.objects.create(entity=entity, name=name, kind=Connection.Kind.PLATFORM)
    _note(connection, actor, "connection.made", after={"name": name})
    clear, kept = keys.made()
    platform = Platform.objects.create(connection=connection, **kept)
    if address:
        _set_address(platform, address, token, actor)
    platform.refresh_from_db()
    return platform, clear


@transaction.atomic
def change_key(*, platform: Platform, actor: User, reason: str = "") -> str:
    """A new key in the clear, this once. The one before opens nothing any more."""
    check_may(actor, KEEP_CONNECTIONS, platform.connection.entity)
    clear, kept = keys.made()
    before = {"key": platform.prefix}
    Platform.objects.filter(pk=platform.pk).update(**kept, key_made_at=Now())
    _note(platform.connection, actor, "platform.key-changed", before=before, after={"key": kept["prefix"]}, reason=reason)
    return clear


@transaction.atomic
def change_address(*, platform: Platform, address: str, token: str, actor: User, reason: str = "") -> Platform:
    """Where retries go from now on, and what they sign in with. That it let nobody in is forgotten."""
    check_may(actor, KEEP_CONNECTIONS, platform.connection.entity)
    platform = Platform.objects.select_for_update(of=("self",)).select_related("connection__entity").get(pk=platform.pk)
    before = {"retries to": platform.retries_to}
    _set_address(platform, address, token, actor)
    platform.refused_at, platform.refused_words = None, ""
    platform.save()
    after = {"retries to": platform.retries_to}
    _note(platform.connection, actor, "platform.address-changed", before=before, after=after, reason=reason)
    return platform


def to_ask(connection_id: int, cause: str) -> QuerySet[FailedRecord]:
    """The records of a cause that may be asked for now."""
    return _fit(connection_id).filter(cause=cause).order_by("failed_at", "pk")


@transaction.atomic
def ask_again(*, platform: Platform, records: Collection[int], actor: User) -> int:
    """Write one retry for each record, and the job that sends them; how many. Nothing has left when this returns.

    Raises Refused where a record is not to be asked for any more.
    """
    check_may(actor, RUN_JOBS, platform.connection.entity)
    platform.refresh_from_db(fields=["retries_to", "refused_at", "refused_words"])
    check_asks(platform)
    list(FailedRecord.objects.select_for_update().filter(connection=platform.connection, pk__in=records).order_by("pk"))
    fit = list(_fit(platform.connection_id).filter(pk__in=records).order_by("pk"))
    if len(fit) != len(records):
        raise Refused("Some of these records are not to be asked for any more. Look again.", code="plan-changed")
    _unsend(Retry.objects.filter(record__in=fit), "It had not left when it was asked for anew.")
    write_off(Retry.objects.filter(record__in=fit))
    numbers = dict(Retry.objects.filter(record__in=fit).values_list("record").annotate(Max("number")).order_by())
    job = jobs.enqueue(kind=SEND, entity=platform.connection.entity, args={"platform": platform.pk}, actor=actor)
    Retry.objects.bulk_create(
        Retry(record=row, number=number, key=f"retry-{row.pk}-{number}", job=job, asked_by=actor)
        for row in fit
        for number in [numbers.get(row.pk, 0) + 1]
    )
    FailedRecord.objects.filter(pk__in=[row.pk for row in fit]).update(state=State.ASKED, asked_at=Now())
    return len(fit)


@transaction.atomic
def see_to(*, connection: Connection, records: Collection[int], actor: User, reason: str) -> int:
    """People did by hand what these open records were to do; how many. One that fails anew is open again."""
    check_may(actor, RUN_JOBS, connection.entity)
    if not reason.strip():
        raise Refused("Say what was done, for whoever reads this later.", field="reason")
    rows = FailedRecord.objects.select_for_update().filter(connection=connection, pk__in=records, state__in=FailedRecord.OPEN)
    fit = list(rows.order_by("pk").values_list("pk", "external_id"))
    _unsend(Retry.objects.filter(record__in=[pk for pk, _ in fit]), "A person saw to it before this left.")
    FailedRecord.objects.filter(pk__in=[pk for pk, _ in fit]).update(state=State.BY_HAND, ended_at=Now())
    after = {"records": [external_id for _, external_id in fit]}
    _note(connection, actor, "platform.records-by-hand", after=after, reason=reason)
    return len(fit)


def check_asks(platform: Platform) -> None:
    """Raises Refused where nothing can be asked of the platform now."""
    if not platform.retries_to:
        words = f"Nobody has said where {platform.connection} takes retries. An admin enters it on the connection's page."
        raise Refused(words, code="no-address")
    if platform.refused_at:
        words = f"{platform.refused_words} Nothing is asked of it until an admin enters its address or token anew."
        raise Refused(words, code="shut")


def write_off(retries: QuerySet[Retry]) -> None:
    """What was leaving when whoever sent it died. Whether it arrived is not known."""
    retries.filter(state=Retry.State.LEAVING).update(state=Retry.State.UNKNOWN, words=LOST)


def _fit(connection_id: int) -> QuerySet[FailedRecord]:
    """What may be asked for now: failed, or asked for so long ago, or by a job that ended before it left, that nothing is to
    be expected. Not what is leaving this moment, whose answer comes within seconds, nor what still leaves by itself.
    """
    retries = Retry.objects.filter(record=OuterRef("pk"))
    live = (JobState.WAITING, JobState.RUNNING)
    leaving = retries.filter(state=Retry.State.LEAVING, job__state__in=live)
    waiting = retries.filter(state=Retry.State.WAITING, job__state__in=live)
    stranded = retries.filter(state=Retry.State.WAITING, job__state__in=jobs.ENDED)
    silent = Q(asked_at__lt=timezone.now() - SILENT_AFTER) & ~Exists(waiting) | Exists(stranded)
    expected = Q(state=State.FAILED) | Q(state=State.ASKED) & silent
    return FailedRecord.objects.filter(expected, ~Exists(leaving), connection=connection_id)


def _unsend(retries: QuerySet[Retry], words: str) -> None:
    """What has not left never does. What is leaving right now has its outcome written by who sends it."""
    retries.filter(state=Retry.State.WAITING).update(state=Retry.State.UNSENT, words=words)


def _set_address(platform: Platform, address: str, token: str, actor: User) -> None:
    """Sealed: the address of a hook is often its only secret."""
    address, token = address.strip(), token.strip()
    check_url(address)
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise Refused("A token has letters, digits and signs, and no space. Copy it once more.", field="token")
    seal(platform.connection, {"address": address} | ({"token": token} if token else {}), actor)
    platform.retries_to = f"{urlsplit(address).hostname[:HOST_SHOWN]} …{address[-4:]}"
    platform.save(update_fields=["retries_to"])


def _note(
    connection: Connection, actor: User, verb: str, *, before: dict | None = None, after: dict | None = None, reason: str = ""
) -> None:
    AuditEntry.objects.record(
        actor=actor,
        entity=connection.entity,
        verb=verb,
        subject=f"connection:{connection.pk}",
        before=before,
        after=after,
        reason=reason,
    )
