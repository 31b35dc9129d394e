"""Sending a message, as a job: what became of its cases is looked at first, and tried again later where nobody answers."""

import smtplib
from datetime import timedelta
from typing import Any

import httpcore
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from apps.core.errors import Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Team
from apps.exceptions.models import Case, State
from apps.exceptions.operations import people_of
from apps.integrations import jobs
from apps.integrations.leases import Progress
from apps.integrations.models import Job
from apps.work.alerts import chats, composing, webhooks
from apps.work.alerts.channels import open_address
from apps.work.alerts.composing import Told
from apps.work.alerts.models import Alert, AlertCase, Channel
from apps.work.alerts.outbox import SEND
from apps.work.alerts.rules import Kind, Severity

BACKOFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180))
ABOUT_CASES = (Alert.Kind.IMMEDIATE, Alert.Kind.ESCALATION)
GONE = (404, 410)


class NotNow(Exception):
    """It did not get through, and may later. The words are for people, and name no secret."""


class Never(Exception):
    """The address takes nothing any more."""


def run(job: Job, progress: Progress) -> dict[str, Any]:
    alert = Alert.objects.select_related("channel__entity", "person").get(job=job)
    _check_person(alert)
    progress.say(f"Telling {to_words(alert)}")
    if alert.state != Alert.State.WAITING or _silenced(alert, job):
        return {"words": alert.reason or "It had left already."}
    try:
        answer = _post(alert) if alert.channel.sealed and not alert.person else _mail(alert)
    except NotNow as error:
        tried = job.attempts_made
        if tried <= len(BACKOFF):
            raise jobs.Later(str(error), BACKOFF[tried - 1]) from error
        return _failed(alert, job, f"{error} We tried {tried} times.")
    except Never as error:
        return _failed(alert, job, str(error))
    _sent(alert, job, answer)
    return {"words": f"{to_words(alert)} was told."}


jobs.register_kind(jobs.JobKind(name=SEND, queue="outbox", run=run, title="Send an alert"))


def _check_person(alert: Alert) -> None:
    """Who left the team since is not told of its cases: the team is."""
    channel = alert.channel
    if alert.person and not people_of([Team(channel.team)], [channel.entity_id]).filter(pk=alert.person_id).exists():
        alert.person = None
        alert.save(update_fields=["person"])


def to_words(alert: Alert) -> str:
    return alert.person.name if alert.person else alert.channel.name


def _post(alert: Alert) -> str:
    host = alert.channel.address.partition(" ")[0]
    try:
        answer = webhooks.post(open_address(alert.channel), chats.content_of(alert), alert.key)
    except webhooks.NotPublic:
        raise Never(f"{host} leads into a private network, which we do not call.") from None
    except Refused as refused:
        raise Never(refused.words) from None
    except httpcore.TimeoutException:
        raise NotNow(f"{host} took too long to answer.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError):  # their words may hold the address
        raise NotNow(f"{host} could not be reached.") from None
    if 200 <= answer.status < 300:
        return f"{answer.status} {answer.words}".strip()
    said = f"{host} answered {answer.status}{f': {answer.words}' if answer.words else ''}."
    if answer.status in GONE:
        raise Never(f"{said} The webhook is gone: make a new one in the chat tool and enter it.")
    if 300 <= answer.status < 400:
        raise Never(f"{host} sent us elsewhere ({answer.status}), and we do not follow. Enter the address it really has.")
    if answer.status < 500 and answer.status not in (408, 425, 429):
        raise Never(said)
    raise NotNow(said)


def _mail(alert: Alert) -> str:
    if not settings.MAIL_SENT:
        raise Never("No mail server is set, so no mail leaves. An admin of the installation sets EMAIL_URL.")
    to = alert.person.email if alert.person else alert.channel.address
    context = {"alert": alert, "lines": [(words, path and chats.link(path)) for words, path in alert.body]}
    mail = EmailMultiAlternatives(
        subject=alert.subject,
        body=render_to_string("mail/alert.txt", context),
        to=[to],
        headers={"Message-ID": f"<alert-{alert.pk}@{settings.DEFAULT_FROM_EMAIL.rpartition('@')[2].rstrip('>')}>"},
    )
    mail.attach_alternative(render_to_string("mail/alert.html", context), "text/html")
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        raise (Never if code >= 500 else NotNow)(f"The mail server refuses {to}: {code} {_said(words)}") from None
    except smtplib.SMTPAuthenticationError:
        raise NotNow("The mail server does not let us in. Check EMAIL_URL.") from None
    except smtplib.SMTPResponseException as error:
        raise NotNow(f"The mail server answered {error.smtp_code} {_said(error.smtp_error)}") from None
    except (smtplib.SMTPException, OSError):
        raise NotNow("The mail server could not be reached.") from None
    return "The mail server took it."


def _said(words: bytes | str) -> str:
    return (words.decode(errors="replace") if isinstance(words, bytes) else words)[:200]


@transaction.atomic
def _silenced(alert: Alert, job: Job) -> bool:
    """Whether nobody needs it any more. Where some cases of it still do, it tells of those."""
    if not alert.channel.active:
        return _silence(alert, job, f"{alert.channel.name} was paused before this left.")
    if alert.kind not in ABOUT_CASES:
        return False
    members = AlertCase.objects.filter(alert=alert).select_related("case__entity", "case__claimed_by")
    told: dict[Case, set[Kind]] = {}
    for member in members:
        told.setdefault(member.case, set()).add(Kind(member.kind))
    left = [Told(case=case, kinds=kinds) for case, kinds in told.items() if not _why_silent(case)]
    if len(left) == len(told):
        return False
    if not left:
        reasons = list(dict.fromkeys(_why_silent(case) for case in told))
        return _silence(alert, job, " ".join(reasons[:3]))
    message = composing.about_cases(left, Severity(alert.severity), alert.channel.entity, timezone.now())
    alert.subject, alert.body = message.subject, message.body
    alert.save()
    jobs.hold(job)
    return False


def _silence(alert: Alert, job: Job, reason: str) -> bool:
    alert.state, alert.reason, alert.ended_at = Alert.State.SILENCED, reason, timezone.now()
    alert.save()
    jobs.hold(job)
    return True


def _why_silent(case: Case) -> str:
    if case.state == State.CLEARED:
        return "It ended by itself before this left."
    if not case.is_live:
        return f"It was {case.get_state_display().lower()} before this left."
    if case.state == State.SNOOZED:
        return "It was snoozed before this left."
    if case.state == State.CLAIMED and case.claimed_until > timezone.now():
        return f"{case.claimed_by.name} took it before this left."
    return ""


@transaction.atomic
def _sent(alert: Alert, job: Job, answer: str) -> None:
    now = timezone.now()
    Alert.objects.filter(pk=alert.pk).update(state=Alert.State.SENT, ended_at=now, answer=answer[:300], reason="")
    if not alert.person:
        Channel.objects.filter(pk=alert.channel_id).exclude(fault="").update(fault="", fault_at=None)
    AuditEntry.objects.record_all(
        AuditEntry(
            actor_name="opsconsole",
            entity_id=alert.channel.entity_id,
            verb="case.alerted",
            subject=f"case:{case}",
            after={"to": to_words(alert), "alert": alert.pk, "kind": alert.get_kind_display()},
        )
        for case in AlertCase.objects.filter(alert=alert).values_list("case_id", flat=True).distinct()
    )
    jobs.hold(job)


@transaction.atomic
def _failed(alert: Alert, job: Job, words: str) -> dict[str, Any]:
    now = timezone.now()
    Alert.objects.filter(pk=alert.pk).update(state=Alert.State.FAILED, ended_at=now, reason=words)
    if not alert.person:
        Channel.objects.filter(pk=alert.channel_id).update(fault=words, fault_at=now)
    jobs.hold(job)
    return {"words": words}
