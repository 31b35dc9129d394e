"""The screens of alerts: who sees which, adding a channel, its dry run and its test, and what stays secret."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.core.models import AuditEntry, Entity
from apps.core.permissions import Role, Team
from apps.exceptions.models import Case
from apps.integrations import jobs
from apps.work.alerts.channels import add_channel
from apps.work.alerts.deciding import decide
from apps.work.alerts.models import Alert, AlertPolicy, Channel
from tests.console.conftest import signed_in
from tests.console.pages import Page
from tests.factories import CaseFactory, EntityFactory, StoredFileFactory, person

WEBHOOK = "https://hooks.chat.example/services/T0/B0/a-secret-9XyZ"
FACTS = {"file": "march.txt", "words": "Line 1 has no header.", "sha256": "00", "connection_id": 1}

pytestmark = pytest.mark.django_db


@pytest.fixture
def entity(db) -> Entity:
    return EntityFactory(name="Brackenfold Home Ltd")


@pytest.fixture
def marta(entity):
    return person(Role.FINANCE, entity, name="Marta Lis")


@pytest.fixture
def channel(entity, marta) -> Channel:
    address = "finance@brackenfold.example"
    return add_channel(entity=entity, team=Team.FINANCE, name="#finance", kind="email", address=address, actor=marta)


def asked(team: str, **values) -> dict:
    return {"team": team, "name": "#fin", "kind": "chat", "address": WEBHOOK, "least": "3"} | values


def a_case(entity: Entity, **values) -> Case:
    now = timezone.now()
    usual = {"type": "file.layout-unknown", "facts": FACTS, "worth": 2000, "stake": 2000, "opened_at": now}
    return CaseFactory(entity=entity, due_at=now + timedelta(days=2), **usual | values)


def test_finance_adds_a_webhook_which_no_page_shows_again(entity, marta):
    client = signed_in(marta)
    response = client.post(reverse("alert_channels"), asked(f"{entity.pk}:finance"), follow=True)
    page = response.content.decode()
    assert "hooks.chat.example …9XyZ" in page and "a-secret" not in page
    for address in (reverse("alert_channels"), reverse("audit")):
        assert "a-secret" not in client.get(address).content.decode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"address": "http://hooks.chat.example/x"}, "begins with https://"),
        ({"kind": "email"}, "This is no e-mail address"),
        ({"quiet_from": "20:00"}, "Quiet hours have a beginning and an end"),
    ],
)
def test_a_fault_stands_beside_its_field(change, words, entity, marta):
    response = signed_in(marta).post(reverse("alert_channels"), asked(f"{entity.pk}:finance", **change))
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Channel.objects.exists()


def test_another_team_is_offered_to_an_admin_alone(entity, marta):
    response = signed_in(marta).post(reverse("alert_channels"), asked(f"{entity.pk}:ops"))
    assert response.status_code == 422
    signed_in(person(Role.ADMIN, entity)).post(reverse("alert_channels"), asked(f"{entity.pk}:ops"))
    assert Channel.objects.get().team == "ops"


def test_what_is_told_changes_after_a_dry_run_over_the_last_days(entity, marta, channel):
    for days in range(3):
        a_case(entity, worth=500, opened_at=timezone.now() - timedelta(days=days, hours=1))
    client, address = signed_in(marta), reverse("alert_channel", args=[channel.pk])
    form = {"least": "2", "escalations": "", "quiet_from": "", "quiet_until": "", "digest_at": "08:00", "address": ""}
    page = client.post(address, form | {"preview": "1"}).content.decode()
    assert "With these settings</dt><dd>5 messages in the last 7 days" in page
    assert "As it is now</dt><dd>0</dd>" in page
    assert "At once</b>, normal<small>" in page
    digest = page.split('name="digest" value="')[1].split('"')[0]
    assert client.post(address, form | {"digest": digest}).status_code == 302
    channel.refresh_from_db()
    assert (channel.least, channel.digest_at.hour, channel.address) == (2, 8, "finance@brackenfold.example")


def test_who_reads_a_channel_does_not_keep_it(entity, channel):
    elin = signed_in(person(Role.VIEWER, entity))
    address = reverse("alert_channel", args=[channel.pk])
    assert "Send a test now" not in elin.get(address).content.decode()
    assert elin.post(address, {"least": "1", "preview": "1"}).status_code == 403
    assert elin.post(reverse("alert_test", args=[channel.pk])).status_code == 403
    assert signed_in(person(Role.OPS, entity)).get(address).status_code == 404
    assert not Alert.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_test_shows_the_answer(entity, marta, channel, settings):
    settings.MAIL_SENT = False
    client, address = signed_in(marta), reverse("alert_channel", args=[channel.pk])
    page = client.post(reverse("alert_test", args=[channel.pk]), follow=True).content.decode()
    assert "Sending" in page and 'hx-trigger="every 1s"' in page
    jobs.run_here(Alert.objects.get().job)
    page = client.get(address, headers={"HX-Request": "true", "HX-Target": "test"}).content.decode()
    assert "Not taken" in page and "No mail server is set" in page and "<h1" not in page
    StoredFileFactory(connection__entity=entity)  # so that today is not the first-run page
    assert "Alerts do not reach" in client.get("/").content.decode()
    assert Page(client.get(reverse("alerts"))).heading == "1 channel gets nothing through"


@pytest.mark.django_db(transaction=True)
def test_an_alert_stands_in_the_list_on_its_page_and_on_the_cases_timeline(entity, marta, channel, settings, mailoutbox):
    settings.MAIL_SENT = True
    case = a_case(entity)
    decide(channel.pk)
    jobs.run_here(Alert.objects.get().job)
    client = signed_in(marta)
    page = Page(client.get(reverse("alerts")))
    assert (f"Case {case.pk}", reverse("case", args=[case.pk])) in page.links
    assert mailoutbox[0].subject in [words for words, _ in page.links]
    assert "The mail server took it." in client.get(reverse("alert", args=[Alert.objects.get().pk])).content.decode()
    elin = signed_in(person(Role.VIEWER, entity))
    assert "Alert sent to #finance." in elin.get(reverse("case", args=[case.pk])).content.decode()
    assert "Send an alert" not in client.get("/jobs/?view=all").content.decode()
    assert "Alert sent" not in client.get(f"{reverse('alerts')}?view=silenced").content.decode()


def test_an_admin_sets_what_is_severe_and_sees_what_that_changes(entity, channel):
    a_case(entity, worth=500, opened_at=timezone.now() - timedelta(hours=1))
    ian, address = signed_in(person(Role.ADMIN, entity)), reverse("alert_measures", args=[entity.pk])
    form = {
        "normal_from": "50", "high_from": "400", "critical_from": "10000", "near": "4", "unheld_normal": "24",
        "unheld_high": "4", "unheld_critical": "1", "flood_least": "10", "flood_factor": "5", "flood_team": "30",
        "reason": "Smaller amounts matter in peak",
    }  # fmt: skip
    page = ian.post(address, form | {"preview": "1"}).content.decode()
    assert "1 message in the last 7 days, 0 as it is now" in page
    digest = page.split('name="digest" value="')[1].split('"')[0]
    assert ian.post(address, form | {"digest": digest}).status_code == 302
    assert AlertPolicy.objects.get().high_from == 400
    assert AuditEntry.objects.get(verb="alerts.measures-set").before == {"high_from": "1000"}
    wrong = ian.post(address, form | {"high_from": "5", "digest": digest})
    assert wrong.status_code == 422 and "The amounts rise" in wrong.content.decode()
