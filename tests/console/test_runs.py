"""The screens of connections and sync runs: what they find, who may do what, and that no secret comes back."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.integrations import jobs, operations, runs
from apps.integrations.connectors import CONNECTORS
from apps.integrations.connectors.amazon import allowance, clients
from apps.integrations.contract import PermanentError, TransientError
from apps.integrations.credentials import open_sealed
from apps.integrations.feeds import FEEDS
from apps.integrations.models import Connection, Job, JobState, Source, SyncRun
from tests.console.conftest import signed_in
from tests.console.pages import Page
from tests.factories import CaseFactory, ConnectionFactory, EntityFactory, StoredFileFactory, person
from tests.integrations.things import EVERY, FEED, QUIET_AFTER, Outside, evidence, feed, revoked

pytestmark = pytest.mark.django_db(transaction=True)

SECRETS = {"client_id": "amzn1.app.4711", "client_secret": "s3cret-one", "refresh_token": "Atzr|s3cret-two"}


@pytest.fixture
def outside(monkeypatch) -> Outside:
    system = Outside()
    monkeypatch.setitem(FEEDS, FEED, feed())
    monkeypatch.setitem(CONNECTORS, Connection.Kind.AMAZON, system)
    return system


@pytest.fixture
def source(outside) -> Source:
    place = ConnectionFactory(entity=EntityFactory(name="Brackenfold"), name="Northbay", kind=Connection.Kind.AMAZON)
    return Source.objects.create(connection=place, feed=FEED, every=EVERY)


def client(source: Source, role: Role) -> Client:
    return signed_in(person(role, source.connection.entity, name=f"{role.label} person"))


def text(response) -> str:
    return " ".join(response.content.decode().split())


def state(source: Source) -> str:
    return text(client(source, Role.VIEWER).get(reverse("runs"))).split('data-l="State">')[1].split("</span>")[0]


def ticks(source: Source) -> list[str]:
    """Of the last 24 hours, the oldest first."""
    body = text(client(source, Role.VIEWER).get(reverse("runs")))
    (shown,) = re.findall(r'<span class="ticks"[^>]*>(.*?)</span>', body)
    return re.findall(r'<i(?: class="(.)")?></i>', shown)


def paced(source: Source) -> SyncRun:
    """A run that waits for its turn."""
    run = runs.pull(source)
    later = timezone.now() + timedelta(minutes=3)
    Job.objects.filter(pk=run.job_id).update(not_before=later, error="Our own pacing: the next getThings is due in 180 s.")
    return SyncRun.objects.select_related("job").get(pk=run.pk)


class TestEveryFeed:
    def test_each_hour_says_whether_data_was_proven(self, source, outside):
        def ended(hours_ago: int) -> None:
            at = timezone.now() - timedelta(hours=hours_ago)
            SyncRun.objects.filter(pk=SyncRun.objects.latest("pk").pk).update(ended_at=at)

        runs.run_here(source)
        ended(3)
        outside.fail([PermanentError(evidence(400))])
        runs.run_here(source)
        ended(2)
        outside.fail([TransientError(evidence())])
        run = runs.run_here(source)
        operations.try_now(job=run.job, actor=person(Role.OPS, source.entity))
        jobs.run_here(Job.objects.get(pk=run.job_id))
        ended(1)
        outside.proves = False
        assert runs.run_here(source).unchanged == 3
        assert ticks(source) == ["q"] * 20 + ["", "f", "t", "q"]
        body = text(client(source, Role.VIEWER).get(reverse("runs")))
        assert "1 of proof, 1 of proof after a failure, 1 of failure and 21 with nothing proven" in body
        assert "4 runs, 1 failed" in body

    def test_it_says_how_many_cases_come_of_it(self, source, monkeypatch):
        monkeypatch.setitem(FEEDS, FEED, replace(FEEDS[FEED], opens=("sku.unmapped",)))
        for number in range(3):
            CaseFactory(entity=source.entity, type="sku.unmapped", team="ecommerce", subject=f"{number}")
        CaseFactory(entity=source.entity, type="order.held", team="ops")
        CaseFactory(type="sku.unmapped", team="ecommerce")
        body = text(client(source, Role.VIEWER).get(reverse("runs")))
        assert 'data-l="Cases it may feed" class="num">3<' in body

    def test_it_counts_no_case_of_another_account(self, source, monkeypatch):
        monkeypatch.setitem(FEEDS, FEED, replace(FEEDS[FEED], opens=("order.late-ship", "settlement.fee-unmapped")))
        other = ConnectionFactory(entity=source.entity, name="Southbay", kind=Connection.Kind.AMAZON)
        Source.objects.create(connection=other, feed=FEED, every=EVERY)
        for number in range(3):
            facts = {"connection_id": source.connection_id}
            CaseFactory(entity=source.entity, type="order.late-ship", team="ops", subject=f"{number}", facts=facts)
        CaseFactory(entity=source.entity, type="settlement.fee-unmapped", team="finance")  # names none
        body = text(client(source, Role.VIEWER).get(reverse("runs")))
        assert re.findall(r'data-l="Cases it may feed" class="num">(\d+)<', body) == ["4", "1"]

    def test_it_says_how_much_of_the_allowance_is_used(self, source):
        place = ConnectionFactory(
            entity=source.entity, kind=Connection.Kind.AMAZON, endpoint=f"https://{uuid4()}.example.com"
        )
        Source.objects.create(connection=place, feed="amazon.orders", every=EVERY)
        for _ in range(10):
            allowance.take(f"{place.pk}@{place.endpoint}", clients.SEARCH_ORDERS, timedelta(0))
        body = text(client(source, Role.VIEWER).get(reverse("runs")))
        assert "53 % of searchOrders, one every 3 min" in body
        assert f'aria-label="Allowance used of Amazon orders, {place.name}"' in body

    def test_it_is_good_only_with_proof_of_data(self, source, outside):
        assert state(source).endswith(">New")
        runs.run_here(source)
        assert state(source).endswith(">Good")
        Source.objects.update(
            proven_at=timezone.now() - QUIET_AFTER * 2, watched_from=timezone.now() - timedelta(days=1)
        )
        assert state(source).endswith(">Quiet")

    def test_it_says_what_goes_on(self, source, outside):
        admin = person(Role.ADMIN, source.connection.entity)
        outside.fail([TransientError(evidence())])
        run = runs.run_here(source)
        assert state(source).endswith(">Retrying")
        operations.stop(job=run.job, actor=admin)
        outside.fail([PermanentError(evidence(400))])
        runs.run_here(source)
        assert state(source).endswith(">Failing")
        operations.pause(source=source, paused=True, actor=admin)
        assert state(source).endswith(">Paused")
        operations.pause(source=source, paused=False, actor=admin)
        outside.fail([revoked()])
        runs.run_here(source)
        assert state(source).endswith(">Revoked")

    def test_the_heading_is_the_finding(self, source, outside):
        page = client(source, Role.OPS)
        assert Page(page.get(reverse("runs"))).heading == "0 of 1 feed prove that data comes"
        outside.fail([TransientError(evidence())])
        run = runs.run_here(source)
        assert Page(page.get(reverse("runs"))).heading == "1 feed is retried for you"
        page.post(reverse("run_do", args=[run.pk, "try-now"]))
        jobs.run_here(Job.objects.get(pk=run.job_id))
        assert Page(page.get(reverse("runs"))).heading == "Every feed proves that it brings data"
        outside.fail([PermanentError(evidence(400, operation="other"))])
        runs.run_here(source)
        assert Page(page.get(reverse("runs"))).heading == "1 feed needs you"

    def test_a_paced_feed_that_has_proven_itself_still_does(self, source, outside):
        runs.run_here(source)
        run = paced(source)
        page = Page(client(source, Role.OPS).get(reverse("runs")))
        assert state(source).endswith(">Paced")
        assert page.heading == "Every feed proves that it brings data"
        body = text(client(source, Role.OPS).get(reverse("run", args=[run.pk])))
        assert "waits for its turn" in body and "try-now" not in body and 'form="stop"' in body

    def test_a_quiet_feed_says_that_it_is_paced(self, source):
        age = timezone.now() - QUIET_AFTER * 2
        Source.objects.update(proven_at=age, watched_from=age)
        body = text(client(source, Role.VIEWER).get(reverse("runs")))
        assert "Quiet" in body and "paced until" not in body
        paced(source)
        body = text(client(source, Role.VIEWER).get(reverse("runs")))
        assert "Quiet" in body and "clears no case meanwhile; paced until " in body

    def test_how_far_a_run_is_nobody_knows_beforehand(self, source):
        run = runs.pull(source)
        for address in (reverse("runs"), reverse("run", args=[run.pk])):
            body = text(client(source, Role.OPS).get(address))
            (bar,) = re.findall(r'<progress[^>]*aria-label="Progress[^>]*>', body)
            assert "value=" not in bar

    def test_what_is_under_way_refreshes_by_itself(self, source):
        run = runs.pull(source)
        part = client(source, Role.OPS).get(reverse("runs"), headers={"HX-Request": "true"})
        assert 'hx-trigger="every 2s"' in text(part) and "<h1" not in text(part)
        assert reverse("run", args=[run.pk]) in text(part)


class TestOneRun:
    def test_it_says_what_it_saw(self, source, outside):
        outside.pages[0]["b"] = None
        run = runs.run_here(source)
        page = client(source, Role.VIEWER).get(reverse("run", args=[run.pk]))
        assert Page(page).heading == "Things: 3 records, 2 new and 1 unreadable"
        assert "Fetch again" not in text(page)

    def test_a_verdict_stands_with_its_evidence(self, source, outside):
        outside.fail([None, TransientError(evidence())])
        run = runs.run_here(source)
        body = text(client(source, Role.OPS).get(reverse("run", args=[run.pk])))
        assert "waits for its next try" in body
        assert "getThings answered 503 at" in body and "request id b7e1-40fd" in body
        assert '<li class="against"><span>No other call failed in the minute before it.' in body
        assert "Transient" in body and "1 of 8" in body

    def test_ops_try_it_now_and_fetch_again(self, source, outside):
        page = client(source, Role.OPS)
        outside.fail([TransientError(evidence())])
        run = runs.run_here(source)
        page.post(reverse("run_do", args=[run.pk, "try-now"]))
        run.job.refresh_from_db()
        assert run.job.not_before <= timezone.now()
        jobs.run_here(run.job)
        answer = page.post(reverse("run_do", args=[run.pk, "fetch"]))
        newer = SyncRun.objects.latest("pk")
        assert answer["Location"] == reverse("run", args=[newer.pk])
        assert newer != run
        assert page.post(reverse("run_do", args=[run.pk, "other"])).status_code == 404

    def test_who_only_reads_cannot(self, source):
        run = runs.pull(source)
        for role in (Role.VIEWER, Role.FINANCE):
            assert client(source, role).post(reverse("run_do", args=[run.pk, "stop"])).status_code == 403
        run.job.refresh_from_db()
        assert run.job.state == JobState.WAITING


class TestConnections:
    @pytest.fixture(autouse=True)
    def sandbox_address(self, settings):
        settings.SANDBOX_URL = "http://127.0.0.1:9"

    def asked(self, source: Source, **values) -> dict:
        entity = source.connection.entity_id
        return {"entity": entity, "name": "Europe", "region": "sandbox", "account": "A2X", "digest": "", **SECRETS, **values}

    def test_an_admin_adds_an_account_and_it_is_checked(self, source, outside):
        admin = client(source, Role.ADMIN)
        answer = admin.post(reverse("connections"), self.asked(source))
        added = Connection.objects.get(name="Europe")
        assert answer["Location"] == reverse("connection", args=[added.pk])
        assert open_sealed(added) == SECRETS
        check = Job.objects.get(kind="integrations.check")
        assert "Asking" in text(admin.get(answer["Location"]))
        jobs.run_here(check)
        body = text(admin.get(answer["Location"]))
        assert "Northbay sells in 2 marketplaces." in body and "It sells in United Kingdom." in body

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"refresh_token": ""}, "Enter the refresh token."),
            ({"name": "Northbay"}, "has a connection called Northbay already"),
            ({"region": "EU"}, "Choose the marketplaces"),
            ({"region": "MOON"}, "MOON is not one of the available choices"),
        ],
    )
    def test_what_is_wrong_is_said_beside_its_field_and_secrets_are_not_repeated(self, source, wrong, words):
        answer = client(source, Role.ADMIN).post(reverse("connections"), self.asked(source, **wrong))
        assert answer.status_code == 422
        assert words in text(answer)
        assert not any(secret in text(answer) for secret in SECRETS.values())
        assert Connection.objects.count() == 1

    def test_an_account_is_not_connected_twice(self, source, outside):
        admin = client(source, Role.ADMIN)
        admin.post(reverse("connections"), self.asked(source))
        answer = admin.post(reverse("connections"), self.asked(source, name="Again"))
        assert answer.status_code == 422
        assert "Europe brings United Kingdom, Germany of this account already." in text(answer)
        assert not Connection.objects.filter(name="Again").exists()

    def test_the_form_begins_with_a_company_that_has_none_a_free_name_and_its_own_marketplace(self, source, settings):
        settings.SANDBOX_URL = ""
        berlin = EntityFactory(name="Zander GmbH", country="DE")
        ConnectionFactory(entity=berlin, name="Amazon")
        connected = ConnectionFactory(entity=source.connection.entity, name="Amazon", kind=Connection.Kind.AMAZON)
        ian = person(Role.ADMIN, connected.entity)
        ian.memberships.create(entity=berlin, role=Role.ADMIN)
        form = signed_in(ian).get(reverse("connections")).context["form"]
        assert (form["entity"].value(), form["name"].value()) == (berlin.pk, "Amazon 2")
        assert (form["region"].value(), form["marketplaces"].value()) == ("EU", ["A1PA6795UKMFR9"])
        chosen = signed_in(ian).get(reverse("connections"), {"company": connected.entity_id})
        assert chosen.context["form"]["name"].value() == "Amazon 2" and "autofocus" in text(chosen)
        StoredFileFactory(connection=connected)  # else today is the first-run page
        today = text(signed_in(ian).get(reverse("home")))
        assert "Zander GmbH has no Amazon account here." in today
        alone = signed_in(person(Role.ADMIN, EntityFactory(country="US")))
        form = alone.get(reverse("connections")).context["form"]
        assert (form["name"].value(), form["region"].value()) == ("Amazon", "NA")

    def test_only_admins_of_the_company_add_one(self, source):
        assert client(source, Role.OPS).post(reverse("connections"), self.asked(source)).status_code == 403
        elsewhere = signed_in(person(Role.ADMIN, EntityFactory()))
        assert elsewhere.post(reverse("connections"), self.asked(source)).status_code == 422
        assert Connection.objects.count() == 1

    def test_credentials_are_replaced_in_one_post_and_never_shown(self, source, outside):
        admin, address = client(source, Role.ADMIN), reverse("connection", args=[source.connection_id])
        page = admin.get(f"{address}?do=credentials")
        (digest,) = [part.split('"')[0] for part in text(page).split('name="digest" value="')[1:]]
        answer = admin.post(f"{address}?do=credentials", SECRETS | {"digest": digest})
        assert answer.status_code == 302
        assert open_sealed(source.connection) == SECRETS
        told = text(admin.get(address)) + json.dumps(list(AuditEntry.objects.values("before", "after", "reason")))
        assert not any(secret in told for secret in SECRETS.values())
        missing = admin.post(f"{address}?do=credentials", {**SECRETS, "client_id": "", "digest": digest})
        assert missing.status_code == 422
        assert not any(secret in text(missing) for secret in SECRETS.values())

    def test_marketplaces_stand_under_their_region(self, source):
        body = text(client(source, Role.ADMIN).get(reverse("connections")))
        europe, americas = body.split("<label>North and South America</label>")
        assert "<label>Europe, Middle East, Africa, India</label>" in europe
        assert "Germany</label>" in europe and "Canada</label>" not in europe
        assert "Canada</label>" in americas and "Germany</label>" not in americas

    def test_the_marketplaces_are_changed_after_a_preview(self, source):
        place = source.connection
        uk, de, fr = "A1F83G8C2ARO7P", "A1PA6795UKMFR9", "A13V1IB3VIYZZH"
        place.account, place.endpoint, place.marketplaces = "A2X", "https://sellingpartnerapi-eu.amazon.com", [uk, de]
        place.save()
        admin, address = client(source, Role.ADMIN), reverse("connection", args=[place.pk]) + "?do=marketplaces"
        body = text(admin.get(address))
        assert "Change the marketplaces" in body and "France" in body and "United States" not in body
        assert body.split("<main")[1].count(" checked") == 2
        assert "Choose one at least." in text(admin.post(address, {"reason": "Moved", "digest": "", "preview": "1"}))
        asked = {"marketplaces": [uk, fr], "reason": "Moved"}
        preview = text(admin.post(address, asked | {"preview": "1"}))
        assert "New: France." in preview and "Left: Germany." in preview and "Bring 2 marketplaces" in preview
        (digest,) = [part.split('"')[0] for part in preview.split('name="digest" value="')[1:]]
        other = ConnectionFactory(
            entity=place.entity, name="Other", kind=place.kind, account="A2X", endpoint=place.endpoint, marketplaces=[fr]
        )
        refused = admin.post(address, asked | {"digest": digest})
        assert refused.status_code == 422 and "Other brings France of this account already." in text(refused)
        other.delete()
        assert admin.post(address, asked | {"digest": digest}).status_code == 302
        place.refresh_from_db()
        assert place.marketplaces == [uk, fr]
        assert "Moved" in text(admin.get(reverse("connection", args=[place.pk])))
        assert client(source, Role.OPS).post(address, asked).status_code == 403

    def test_a_schedule_is_changed_after_a_preview(self, source):
        admin, address = client(source, Role.ADMIN), reverse("connection", args=[source.connection_id])
        asked = {"feed": source.pk, "minutes": "120", "reason": "Peak is over"}
        preview = admin.post(f"{address}?do=schedule", asked | {"preview": "1"})
        assert "Pull it every 2 hours" in text(preview)
        assert "longer than the 1 hour after which it counts as quiet" in text(preview)
        (digest,) = [part.split('"')[0] for part in text(preview).split('name="digest" value="')[1:]]
        admin.post(f"{address}?do=schedule", asked | {"digest": digest})
        source.refresh_from_db()
        assert source.every == timedelta(hours=2)

    def test_a_feed_is_paused_and_goes_on(self, source):
        admin, address = client(source, Role.ADMIN), reverse("connection", args=[source.connection_id])
        for deed, paused in (("pause", True), ("resume", False)):
            page = text(admin.get(f"{address}?do={deed}"))
            (digest,) = [part.split('"')[0] for part in page.split('name="digest" value="')[1:]]
            asked = {"feed": source.pk, "reason": "Stock count", "digest": digest}
            assert admin.post(f"{address}?do={deed}", asked).status_code == 302
            source.refresh_from_db()
            assert source.paused is paused

    def test_others_read_it_and_are_told_who_changes_it(self, source):
        body = text(client(source, Role.VIEWER).get(reverse("connection", args=[source.connection_id])))
        assert "Your role cannot connect systems or change their schedules." in body
        address = reverse("connection", args=[source.connection_id])
        assert client(source, Role.OPS).post(f"{address}?do=pause", {"feed": source.pk}).status_code == 403
        assert client(source, Role.VIEWER).post(reverse("connection_check", args=[source.connection_id])).status_code == 403


def test_the_jobs_list_leaves_runs_to_their_own_screen(source):
    run = runs.pull(source)
    Job.objects.filter(pk=run.job_id).update(state=JobState.FAILED)
    body = text(client(source, Role.OPS).get(reverse("jobs")))
    assert "No job has run yet" in body
    assert "needs you" not in body


def test_what_needs_somebody_stands_in_the_queue_with_its_evidence(source, outside):
    ops = client(source, Role.OPS)
    outside.fail([revoked()])
    runs.run_here(source)
    body = text(ops.get(reverse("queue", args=["ops"])))
    assert "Northbay is not let in any more: 1 feed stands still" in body


@pytest.mark.parametrize("name", ["runs", "connections"])
def test_as_many_queries_for_50_as_for_one(name, source, outside):
    def make() -> None:
        place = ConnectionFactory(entity=source.connection.entity, kind=Connection.Kind.AMAZON)
        runs.pull(Source.objects.create(connection=place, feed=FEED, every=EVERY))

    page = client(source, Role.ADMIN)
    make()
    with CaptureQueriesContext(database) as one:
        assert page.get(reverse(name)).status_code == 200
    for _ in range(49):
        make()
    with CaptureQueriesContext(database) as fifty:
        assert page.get(reverse(name)).status_code == 200
    assert len(fifty) == len(one), [query["sql"] for query in fifty]
