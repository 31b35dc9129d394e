"""Signing in: lockout, links to set a password, mail, sessions; each page says what happened and what to do."""

import re
import socket
from datetime import timedelta

import pytest
from aiosmtpd.controller import Controller
from axes.models import AccessAttempt
from django.core import mail
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from apps.core.models import AuditEntry, Membership, SignIn, User
from apps.core.passwords import give_link, link_parts
from apps.core.permissions import Role
from apps.core.visits import client_ip, device
from apps.integrations import jobs
from apps.integrations.letters import KIND
from apps.integrations.models import Job, JobState
from tests.console.conftest import signed_in
from tests.console.pages import Page
from tests.factories import EntityFactory, person

pytestmark = pytest.mark.django_db
GOOD, NEW = "seven quiet lamps", "nine loud kettles"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture
def marta() -> User:
    user = person(Role.FINANCE, EntityFactory(), name="Marta Lis", email="marta@example.com")
    user.set_password(GOOD)
    user.save()
    return user


def sign_in(password: str, email: str = "marta@example.com", ip: str = "10.0.0.7", client: Client | None = None):
    return (client or Client()).post("/login/", {"username": email, "password": password}, REMOTE_ADDR=ip)


def text(response) -> str:
    return " ".join(response.content.decode().split())


@pytest.mark.parametrize("email", ["marta@example.com", "nobody@example.com"])
def test_five_wrong_passwords_lock_the_sign_in_for_a_while_whoever_it_is(marta, email):
    for _ in range(4):
        wrong = sign_in("wrong", email)
        assert wrong.status_code == 422 and "do not match" in text(wrong)
    page = sign_in("wrong", email.upper())
    assert page.status_code == 429
    assert Page(page).heading == "Sign-in with this e-mail from here is locked for 15 minutes"
    assert "An admin of your company gives you a link" in text(page)
    assert sign_in(GOOD, email).status_code == 429, "the right password does not help while it is locked"
    assert sign_in(GOOD, ip="10.0.0.8").status_code == 302, "only this address is locked"


def test_all_addresses_of_one_ipv6_line_are_one_place(marta):
    for host in range(4):
        assert sign_in("wrong", ip=f"2001:db8:1:2::{host}").status_code == 422
    page = sign_in("wrong", ip="2001:db8:1:2:ffff::1")
    assert page.status_code == 429 and "locked for 15 minutes" in text(page)
    assert sign_in(GOOD, ip="2001:db8:1:3::1").status_code == 302
    for host in range(5):
        assert sign_in("wrong", ip=f"::ffff:10.0.0.{host}").status_code == 422, "IPv4 in the words of IPv6"


def test_tries_while_it_is_locked_do_not_make_it_longer_and_it_ends_by_itself(marta):
    for _ in range(7):
        sign_in("wrong")
    assert AccessAttempt.objects.get().failures_since_start == 5
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=10))
    assert "locked for 5 minutes" in text(sign_in(GOOD))
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert sign_in(GOOD).status_code == 302


def test_signing_in_forgets_the_wrong_ones(marta):
    for _ in range(3):
        for _ in range(4):
            assert sign_in("wrong").status_code == 422
        assert sign_in(GOOD).status_code == 302


def test_no_password_is_stored_with_the_attempts(marta):
    sign_in("a secret of mine")
    assert "a secret" not in str(AccessAttempt.objects.values())


@pytest.mark.parametrize(
    ("proxies", "forwarded", "found"),
    [
        (0, "1.2.3.4", "127.0.0.1"),
        (1, "", "127.0.0.1"),
        (1, "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (2, "6.6.6.6, 1.2.3.4, 10.0.0.1", "1.2.3.4"),
        (2, "1.2.3.4", "127.0.0.1"),
        (1, "1.2.3.4, rubbish", "127.0.0.1"),
        (1, "2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_address_is_the_one_that_our_outermost_proxy_saw(settings, proxies, forwarded, found):
    settings.PROXIES = proxies
    assert client_ip(RequestFactory().get("/", headers={"X-Forwarded-For": forwarded})) == found


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on an iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/130.0 Safari/537.36 Edg/130.0", "Edge on Windows"),
        ("curl/8.5", "curl"),
        ("", "Unknown device"),
    ],
)
def test_a_device_in_words(agent, words):
    assert device(agent) == words


def test_a_link_sets_a_password_once_and_ends_all_sessions(marta):
    elsewhere = signed_in(marta)
    for _ in range(5):
        sign_in("wrong")
    parts = link_parts(marta)
    client = Client()
    page = client.get(f"/login/link/{parts['uidb64']}/{parts['token']}/", follow=True)
    address = page.redirect_chain[-1][0]
    assert parts["token"] not in address
    assert Page(page).heading == "Marta Lis, set your password"
    assert "At least 12 characters" in text(page)
    short = client.post(address, {"new_password1": "marta lis", "new_password2": "marta lis"})
    assert short.status_code == 422 and "at least 12" in text(short) and "too similar" in text(short)
    twice = client.post(address, {"new_password1": NEW, "new_password2": GOOD})
    assert twice.status_code == 422 and "The two are not the same" in text(twice)
    done = client.post(address, {"new_password1": NEW, "new_password2": NEW}, follow=True)
    assert done.redirect_chain == [("/login/", 302)] and "Your password is set" in text(done)
    assert elsewhere.get("/account/").status_code == 302, "signed out there"
    assert sign_in(NEW).status_code == 302, "no longer locked"
    again = Client().get(f"/login/link/{parts['uidb64']}/{parts['token']}/", follow=True)
    assert Page(again).heading == "This link is over"
    assert AuditEntry.objects.get(verb="password.set").actor == marta


def test_a_link_is_over_when_its_time_is_or_its_person_is_switched_off(marta, settings):
    parts = link_parts(marta)
    address = f"/login/link/{parts['uidb64']}/{parts['token']}/"
    User.objects.update(is_active=False)
    assert Page(Client().get(address, follow=True)).heading == "This link is over"
    User.objects.update(is_active=True)
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert Page(Client().get(address, follow=True)).heading == "This link is over"
    assert Page(Client().get("/login/link/x/y/", follow=True)).heading == "This link is over"


def test_a_link_that_an_admin_has_seen_is_over_once_its_person_belongs_to_another_company_too(marta):
    company = EntityFactory()
    Membership.objects.create(user=marta, entity=company, role=Role.FINANCE)
    Membership.objects.exclude(entity=company).filter(user=marta).delete()
    given, mailed = give_link(person=marta, actor=person(Role.ADMIN, company)), link_parts(marta)

    def heading(parts) -> str:
        return Page(Client().get(reverse("set_password", kwargs=parts), follow=True)).heading

    assert heading(given) == "Marta Lis, set your password"
    Membership.objects.create(user=marta, entity=EntityFactory(), role=Role.FINANCE)
    assert heading(given) == "This link is over", "the admin is not to be Marta there"
    assert heading(mailed) == "Marta Lis, set your password", "nobody but Marta has seen it"


def test_an_e_mail_is_the_same_in_any_capitals(marta):
    answer = Client().post("/login/", {"username": marta.email.upper(), "password": GOOD})
    assert answer.status_code == 302


def test_an_e_mail_longer_than_anybody_s_is_answered_in_words():
    long = f"{'a' * 240}@{'b' * 50}.example"
    answer = Client().post("/login/", {"username": long, "password": GOOD})
    assert answer.status_code == 422 and "at most 254 characters" in text(answer)


def test_whoever_is_signed_in_may_use_their_own_link(marta):
    client = signed_in(marta)
    parts = link_parts(marta)
    page = client.get(f"/login/link/{parts['uidb64']}/{parts['token']}/", follow=True)
    done = client.post(page.redirect_chain[-1][0], {"new_password1": NEW, "new_password2": NEW}, follow=True)
    assert "Your password is set" in text(done)


def test_without_mail_the_page_says_who_helps(marta):
    page = Client().get("/login/forgot/")
    assert Page(page).heading == "An admin of your company gives you a new link"
    assert Client().post("/login/forgot/", {"email": marta.email}).status_code == 422
    assert not Job.objects.exists() and "forgot" not in text(Client().get("/login/"))


def test_a_lost_password_answers_the_same_for_an_address_that_nobody_has(marta, settings):
    settings.MAIL_SENT = True
    known, unknown = (
        text(Client().post("/login/forgot/", {"email": email})).replace(email, "…")
        for email in ("marta@example.com", "nobody@example.com")
    )
    assert known == unknown and "If … has an account" in known
    Client().post("/login/forgot/", {"email": "MARTA@example.com"})
    assert Job.objects.filter(kind=KIND).count() == 1, "not again at once"
    wrong = Client().post("/login/forgot/", {"email": "no address"})
    assert wrong.status_code == 422 and "valid email" in text(wrong)


class Mailbox:
    def __init__(self) -> None:
        self.letters: list[tuple[list[str], str]] = []

    async def handle_DATA(self, server, session, envelope) -> str:
        self.letters.append((envelope.rcpt_tos, envelope.content.decode()))
        return "250 Taken"


@pytest.mark.django_db(transaction=True)
def test_the_link_goes_by_mail_and_opens(marta, settings):
    box = Mailbox()
    with socket.socket() as probe:  # aiosmtpd looks for itself at the port that it was asked for
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        settings.MAIL_SENT, settings.EMAIL_BACKEND = True, "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        settings.CONSOLE_URL = "http://testserver"
        Client().post("/login/forgot/", {"email": "marta@example.com"})
        job = jobs.run_here(Job.objects.get(kind=KIND))
    finally:
        server.stop()
    assert job.state == JobState.DONE
    ((to, letter),) = box.letters
    assert to == ["marta@example.com"] and not mail.outbox
    link = re.search(r"http://testserver(/login/link/\S+)", letter.replace("=\r\n", "").replace("=3D", "="))[1]
    assert link.split("/")[-2] not in str([job.args, job.result, job.error]), "the row holds no link"
    assert Page(Client().get(link, follow=True)).heading == "Marta Lis, set your password"


@pytest.mark.django_db(transaction=True)
def test_a_mail_server_that_is_away_is_asked_again(marta, settings):
    settings.MAIL_SENT, settings.EMAIL_BACKEND = True, "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    Client().post("/login/forgot/", {"email": "marta@example.com"})
    job = jobs.run_here(Job.objects.get(kind=KIND))
    assert job.state == JobState.WAITING and "did not take it" in job.error


def test_signing_in_and_out_leaves_a_row(marta):
    client = Client(headers={"User-Agent": FIREFOX})
    assert sign_in(GOOD, client=client).status_code == 302
    row = SignIn.objects.get()
    assert (row.user, row.ip, device(row.agent), row.ended_at) == (marta, "10.0.0.7", "Firefox on Linux", None)
    client.post("/logout/")
    row.refresh_from_db()
    assert row.ended_at is not None


def test_a_session_is_noted_once_a_minute(marta):
    client = signed_in(marta)
    client.get("/account/")
    first = SignIn.objects.get().seen_at
    client.get("/account/")
    assert SignIn.objects.get().seen_at == first
    session = client.session
    session["sign_in_noted"] -= 61
    session.save()
    client.get("/account/", REMOTE_ADDR="10.9.9.9")
    row = SignIn.objects.get()
    assert row.seen_at > first and row.ip == "10.9.9.9"


def test_a_session_from_before_there_were_rows_gets_one(marta):
    client = signed_in(marta)
    session = client.session
    del session["sign_in"]
    session.save()
    SignIn.objects.all().delete()
    client.get("/account/")
    assert SignIn.objects.get().user == marta


def test_who_is_switched_off_meanwhile_is_out_at_the_next_click_and_not_let_in(marta):
    client = signed_in(marta)
    assert client.get("/account/").status_code == 200
    User.objects.update(is_active=False)
    assert client.get("/account/")["Location"].startswith("/login/")
    assert "do not match" in text(sign_in(GOOD)), "the words for a wrong password: nothing is told of the account"


def test_the_log_does_not_hold_a_link(marta, caplog):
    parts = link_parts(marta)
    with caplog.at_level("INFO", logger="opsconsole"):
        Client().get(f"/login/link/{parts['uidb64']}/{parts['token']}/")
    assert "/login/link/…" in caplog.text and parts["token"] not in caplog.text
