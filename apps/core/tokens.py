"""Keys for programs that speak as a person. The clear text is shown once; the table holds what cannot be turned back."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.models import ApiToken, AuditEntry, User
from apps.core.permissions import KEEP_PEOPLE

MARK = "oc_"  # so that a scanner for leaked secrets knows ours
RANDOM_BYTES = 32
PREFIX = len(MARK) + 6
LONGEST = timedelta(days=365)
USE_NOTED_EVERY = timedelta(minutes=1)


@transaction.atomic
def issue(*, user: User, name: str, expires_at: datetime) -> tuple[ApiToken, str]:
    """A new token of this person and its clear text, which is stored nowhere. It lives a year at most."""
    name, now = name.strip(), timezone.now()
    if not user.is_active or not user.memberships.exists():
        raise Refused("A token speaks with your roles, and you have none yet. An admin of your company gives roles.")
    if not name:
        raise Refused("Name what will use it, so that you know later which one to revoke.", field="name")
    if not now < expires_at <= now + LONGEST:
        raise Refused("A token ends within a year: choose a day from tomorrow until then.", field="expires_at")
    clear = MARK + secrets.token_urlsafe(RANDOM_BYTES)
    token = ApiToken.objects.create(
        user=user, name=name, digest=_digest(clear), prefix=clear[:PREFIX], created_at=now, expires_at=expires_at
    )
    AuditEntry.objects.record(
        actor=user,
        entity=None,
        verb="token.issued",
        subject=f"person:{user.pk}",
        after={"token": token.prefix, "name": name, "ends": expires_at.isoformat()},
    )
    return token, clear


def holder_of(clear: str) -> User | None:
    """Whose token this is, while it is neither over nor revoked and the person is on and has a role somewhere."""
    now = timezone.now()
    found = ApiToken.objects.in_force(now).filter(digest=_digest(clear), user__is_active=True)
    token = found.filter(user__memberships__isnull=False).select_related("user").distinct().first()
    if token is None:
        return None
    unnoted = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_NOTED_EVERY)
    ApiToken.objects.filter(unnoted, pk=token.pk).update(last_used_at=now)
    return token.user


@transaction.atomic
def revoke(*, token: ApiToken, actor: User, reason: str = "") -> ApiToken:
    """From the next request on nobody can use it. The person's own, or one of a person whose account the actor keeps."""
    if actor != token.user and not actor.keeps(token.user):
        raise NotAllowed(f"{actor.name} cannot {KEEP_PEOPLE.does} for {token.user.name}'s account.")
    token = ApiToken.objects.select_for_update(no_key=True).get(pk=token.pk)
    if token.revoked_at is not None:
        raise Refused(f"“{token.name}” was revoked already.", code="no-change")
    token.revoked_at = timezone.now()
    token.save(update_fields=["revoked_at"])
    AuditEntry.objects.record(
        actor=actor,
        entity=None,
        verb="token.revoked",
        subject=f"person:{token.user_id}",
        before={"token": token.prefix, "name": token.name},
        reason=reason.strip(),
    )
    return token


def _digest(clear: str) -> str:
    """Plain SHA-256 is enough for 256 random bits: there is nothing to guess."""
    return hashlib.sha256(clear.encode()).hexdigest()
