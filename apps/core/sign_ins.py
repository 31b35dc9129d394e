"""Signing in leaves a row beside its session, so that people see where they are signed in and can end it from elsewhere."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.models import Session
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from apps.core.keeping import PURGES, SIGN_INS
from apps.core.models import AuditEntry, SignIn, SignInQuerySet, User
from apps.core.visits import agent, client_ip

ROW, NOTED = "sign_in", "sign_in_noted"  # in the session: the row's id, and when it was last written
NOTED_EVERY = timedelta(minutes=1)


@receiver(user_logged_in)
def begin(request: HttpRequest, user: User, **signal: Any) -> SignIn:
    session, now = request.session, timezone.now()
    if session.session_key is None:  # a session that was somebody else's starts anew, and has no key until it is saved
        session.create()
    row = SignIn.objects.create(
        user=user,
        session_key=session.session_key,
        ip=client_ip(request),
        agent=agent(request),
        began_at=now,
        seen_at=now,
    )
    session[ROW], session[NOTED] = row.pk, now.timestamp()
    return row


@receiver(user_logged_out)
def finish(request: HttpRequest, **signal: Any) -> None:
    SignIn.objects.filter(pk=request.session.get(ROW), ended_at=None).update(ended_at=timezone.now())


def note(request: HttpRequest) -> None:
    """That this session was used: at most once a minute, so that most requests write nothing."""
    session, now = request.session, timezone.now()
    if ROW not in session:  # begun before there were rows
        begin(request, request.user)
    elif session[NOTED] < (now - NOTED_EVERY).timestamp():
        keep(request)


def keep(request: HttpRequest) -> None:
    """Write the row anew: the session goes on, perhaps under another key."""
    session, now = request.session, timezone.now()
    SignIn.objects.filter(pk=session[ROW]).update(
        seen_at=now, session_key=session.session_key, ip=client_ip(request), agent=agent(request)
    )
    session[NOTED] = now.timestamp()


def end(sign_ins: SignInQuerySet, *, person: User, actor: User | None, reason: str = "") -> int:
    """Sign the person out there; how many it were. A page that is open then answers with the sign-in page."""
    now = timezone.now()
    rows = list(sign_ins.filter(user=person, ended_at=None))
    Session.objects.filter(session_key__in=[row.session_key for row in rows]).delete()
    SignIn.objects.filter(pk__in=[row.pk for row in rows]).update(ended_at=now)
    if rows:
        AuditEntry.objects.record(
            actor=actor,
            entity=None,
            verb="person.signed-out",
            subject=f"person:{person.pk}",
            before={"sessions": len(rows)},
            reason=reason.strip(),
        )
    return len(rows)


def forget_old() -> None:
    """Sessions that are over, and rows of those that ended long ago."""
    now = timezone.now()
    Session.objects.filter(expire_date__lt=now).delete()
    SignIn.objects.filter(ended_at__lt=now - SIGN_INS).delete()
    SignIn.objects.filter(seen_at__lt=now - SIGN_INS).delete()


PURGES["sign-ins"] = forget_old
