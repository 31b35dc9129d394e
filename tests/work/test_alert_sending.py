"""Alerts over a real SMTP server and a real web server: what arrives, what is tried again, what never gets through."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from cryptography.fernet import Fernet
from django.utils import timezone

from apps.core.models import AuditEntry, User
from apps.core.permissions import Team
from apps.exceptions.models import Case
from apps.integrations import jobs
from apps.work.alerts.channels import add_channel, change_channel, rotate, send_test
from apps.work.alerts.deciding import decide
from apps.work.alerts.models import Alert, Channel
from tests.integrations.scripted import Scripted
from tests.work.conftest import HOUR, NOON

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Mailbox:
    """What an SMTP server took. `refuses`: its answer to a recipient, in place of taking it."""

    mails: list[EmailMessage] = field(default_factory=list)
    refuses: str = ""

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope) -> str:
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


class AnyPort(Controller):
    """On a free port, which it then knows."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def mailbox(settings) -> Iterator[Mailbox]:
    box = Mailbox()
    server = AnyPort(box, hostname="127.0.0.1", port=0)
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = server.hostname, server.port
    settings.MAIL_SENT, settings.CONSOLE_URL = True, "https://console.example"
    yield box
    server.stop()


@pytest.fixture
def hook(settings) -> Iterator[Scripted]:
    settings.WEBHOOKS_TO_PRIVATE, settings.CONSOLE_URL = True, "https://console.example"
    with Scripted() as server:
        server.says("/hook", b"ok")
        yield server


@pytest.fixture
def chat(entity, marta, types, hook) -> Channel:
    address = f"{hook.url}/hook"
    return add_channel(entity=entity, team=Team.FINANCE, name="#finance", kind="chat", address=address, actor=marta)


def sent(channel: Channel) -> Alert:
    """The newest message of the channel, after its job ran in this process."""
    alert = channel.alerts.latest("pk")
    jobs.run_here(alert.job)
    alert.refresh_from_db()
    channel.refresh_from_db()
    return alert


def decided(channel: Channel) -> Alert:
    Channel.objects.update(watched_from=NOON)
    decide(channel.pk, NOON + HOUR)
    return sent(channel)


def test_a_mail_arrives_with_the_link_and_stands_on_the_cases_timeline(channel, opened, mailbox):
    case = opened(subject="Gift <wrap>\r\nBcc: all@example.com")
    alert = decided(channel)
    (mail,) = mailbox.mails
    assert mail["subject"].strip() == "High: Fee types unmapped: Gift <wrap> Bcc: all@example.com · Brightfold Ltd"
    assert (mail["to"], mail["bcc"]) == ("finance@brightfold.example", None)
    link = f"https://console.example/cases/{case.pk}/?action=map"
    plain, html = (part.get_content() for part in mail.iter_parts())
    assert "£2,000.00 at stake. Due Saturday 12:00." in plain and link in plain
    assert f'<a href="{link}">Map it</a>' in html and "Gift &lt;wrap&gt;" in html
    assert (alert.state, alert.answer) == ("sent", "The mail server took it.")
    entry = AuditEntry.objects.about(case.audit_subject).get(verb="case.alerted")
    assert entry.after["to"] == "Finance"


def test_whoever_left_since_gets_no_mail_and_the_team_does(channel, opened, mailbox, marta):
    opened(assigned_to=marta)
    Channel.objects.update(watched_from=NOON)
    decide(channel.pk, NOON + HOUR)
    User.objects.filter(pk=marta.pk).update(is_active=False)
    alert = sent(channel)
    assert (alert.person, alert.state) == (None, "sent")
    assert [mail["to"] for mail in mailbox.mails] == ["finance@brightfold.example"]


def test_a_refused_recipient_fails_for_good_and_the_channel_says_so(channel, opened, mailbox):
    mailbox.refuses = "550 no such mailbox"
    opened()
    alert = decided(channel)
    assert (alert.state, alert.job.attempts_made) == ("failed", 1)
    assert channel.fault == "The mail server refuses finance@brightfold.example: 550 no such mailbox"
    mailbox.refuses = ""
    send_test(channel=channel, actor=channel.entity.memberships.get().user)
    assert sent(channel).state == "sent" and channel.fault == ""


def test_a_full_mailbox_is_tried_again_later(channel, opened, mailbox):
    mailbox.refuses = "452 mailbox full"
    opened()
    alert = decided(channel)
    assert (alert.state, alert.job.state) == ("waiting", "waiting")
    assert alert.job.not_before > timezone.now() + timedelta(seconds=30)
    assert "452 mailbox full" in alert.job.attempts.get().error
    assert mailbox.mails == []


def test_without_a_mail_server_it_says_so(channel, opened, settings):
    settings.MAIL_SENT = False
    opened()
    assert decided(channel).reason.startswith("No mail server is set")


def test_a_webhook_gets_text_with_the_link_and_no_marks_of_its_own(chat, opened, hook):
    case = opened(subject="<!channel> & co")
    alert = decided(chat)
    (path, _, headers) = hook.asked[0]
    assert (path, headers["idempotency-key"]) == ("/hook", alert.key)
    said = json.loads(hook.bodies[0])["text"]
    assert "Fee types unmapped: &lt;!channel&gt; &amp; co" in said
    assert f"<https://console.example/cases/{case.pk}/?action=map|Map it>" in said
    assert (alert.state, alert.answer) == ("sent", "200 ok")


MARKUP = "*BF_OAK_40* _new_ ~old~ `rm` [pay](https://evil.example) **now** <b>x</b>"


def test_markup_in_a_record_is_text_in_slack_and_google_chat(chat, opened, hook):
    opened(subject=MARKUP)
    decided(chat)
    said = json.loads(hook.bodies[0])["text"]
    subject, *_ = said.split("\n")
    assert (subject[0], subject[-1]) == ("*", "*")
    assert "BF_OAK_40" in subject and "[pay](https://evil.example)" in subject and "&lt;b&gt;x&lt;/b&gt;" in subject
    assert not re.search(r"[*~`]|\b_|_\b", subject[1:-1])
    assert not re.search(r"\S\*\B|[~`]", said.removeprefix(subject))


def test_markup_in_a_record_is_text_in_teams(entity, marta, opened, hook):
    add_channel(entity=entity, team=Team.FINANCE, name="Teams", kind="teams", address=f"{hook.url}/hook", actor=marta)
    opened(subject=MARKUP)
    decided(Channel.objects.get())
    body = json.loads(hook.bodies[0])["attachments"][0]["content"]["body"]
    assert {block["type"] for block in body} == {"RichTextBlock"}  # which reads no Markdown, as a TextBlock does
    assert {run["type"] for block in body for run in block["inlines"]} == {"TextRun"}
    assert MARKUP in body[0]["inlines"][0]["text"]


def test_teams_gets_a_card(entity, marta, opened, hook):
    add_channel(entity=entity, team=Team.FINANCE, name="Teams", kind="teams", address=f"{hook.url}/hook", actor=marta)
    case = opened()
    decided(Channel.objects.get())
    card = json.loads(hook.bodies[0])["attachments"][0]["content"]
    assert card["type"] == "AdaptiveCard"
    assert card["actions"][0]["url"] == f"https://console.example/cases/{case.pk}/?action=map"


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        ((404, b"no_service"), "failed", "127.0.0.1 answered 404: no_service. The webhook is gone"),
        ((400, b"bad"), "failed", "127.0.0.1 answered 400: bad."),
        ((302, b""), "failed", "sent us elsewhere"),
        ((503, b""), "waiting", "127.0.0.1 answered 503."),
        ((429, b""), "waiting", "127.0.0.1 answered 429."),
    ],
)
def test_what_a_webhook_answers_decides(answer, state, words, chat, opened, hook):
    hook.answers["/hook"] = [(answer[0], {"location": f"{hook.url}/else"}, answer[1])]
    opened()
    alert = decided(chat)
    assert alert.state == state
    assert words in alert.reason + alert.job.error
    assert [path for path, _, _ in hook.asked] == ["/hook"]


def test_after_its_tries_it_has_failed(chat, opened, hook):
    hook.says("/hook", (503, b""))
    opened()
    alert = decided(chat)
    for _ in range(9):
        type(alert.job).objects.update(not_before=NOON)
        alert = sent(chat)
    assert (alert.state, alert.reason) == ("failed", "127.0.0.1 answered 503. We tried 6 times.")
    assert chat.fault == alert.reason


def test_a_name_that_leads_inside_is_not_called(chat, opened, hook, settings):
    """The address is looked at where the connection is made: here the name that was fine leads to this machine."""
    settings.WEBHOOKS_TO_PRIVATE = False
    opened()
    alert = decided(chat)
    assert (alert.state, hook.asked) == ("failed", [])
    assert "private network" in alert.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"state": "cleared", "ended_at": NOON}, "It ended by itself before this left."),
        ({"state": "snoozed", "snoozed_until": NOON + 9 * HOUR}, "It was snoozed before this left."),
    ],
)
def test_what_nobody_needs_any_more_does_not_leave(change, reason, channel, opened, mailbox):
    opened()
    Channel.objects.update(watched_from=NOON)
    decide(channel.pk, NOON + HOUR)
    Case.objects.update(**change)
    alert = sent(channel)
    assert (alert.state, alert.reason, mailbox.mails) == ("silenced", reason, [])


def test_what_waits_does_not_leave_through_a_channel_that_was_paused(channel, opened, mailbox, marta):
    opened()
    Channel.objects.update(watched_from=NOON)
    decide(channel.pk, NOON + HOUR)
    change_channel(channel=channel, actor=marta, active=False)
    alert = sent(channel)
    assert (alert.state, alert.reason, mailbox.mails) == ("silenced", "Finance was paused before this left.", [])


def test_of_several_it_tells_those_that_are_left(channel, opened, mailbox):
    gone = opened()
    opened(subject="Left")
    Channel.objects.update(watched_from=NOON)
    decide(channel.pk, NOON + HOUR)
    Case.objects.filter(pk=gone.pk).update(state="cleared", ended_at=NOON)
    assert sent(channel).subject.startswith("High: Fee types unmapped: Left")


def test_a_new_key_opens_what_the_old_one_sealed(chat, opened, hook, settings):
    old, new = settings.CREDENTIAL_KEYS[0], Fernet.generate_key().decode()
    settings.CREDENTIAL_KEYS = [new, old]
    assert rotate() == 1
    settings.CREDENTIAL_KEYS = [new]
    opened()
    assert decided(chat).state == "sent"
