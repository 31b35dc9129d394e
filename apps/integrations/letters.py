"""The mail with the link to set a password. The row names the person alone: the link is made when the mail is."""

from datetime import timedelta
from smtplib import SMTPException
from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse

from apps.core.models import User
from apps.core.passwords import link_ends, link_parts
from apps.integrations.jobs import JobKind, Later, enqueue, register_kind
from apps.integrations.leases import Progress
from apps.integrations.models import Job

KIND = "people.send-link"
AGAIN_AFTER = timedelta(minutes=2)
SPACED = timedelta(minutes=5)  # so that nobody fills somebody else's mailbox


def send_link(person: User) -> None:
    """Once it is committed, and where mail is sent at all. Asked again soon after, the first one has to do."""
    recent = Job.objects.filter(kind=KIND, args__person=person.pk, created_at__gt=Now() - SPACED)
    if settings.MAIL_SENT and not recent.exists():
        enqueue(kind=KIND, entity=None, args={"person": person.pk})


def _run(job: Job, progress: Progress) -> dict[str, Any]:
    person = User.objects.filter(pk=job.args["person"], is_active=True).first()
    if person is None:
        return {"sent": 0}
    address = settings.CONSOLE_URL.rstrip("/") + reverse("set_password", kwargs=link_parts(person))
    text = render_to_string("mail/password_link.txt", {"person": person, "address": address, "ends": link_ends()})
    try:
        send_mail("Set your password for opsconsole", text, None, [person.email])
    except (SMTPException, OSError) as error:
        raise Later(f"The mail server did not take it ({type(error).__name__}).", AGAIN_AFTER) from error
    return {"sent": 1}


register_kind(JobKind(name=KIND, queue="outbox", run=_run, title="Send a link to set a password"))
