"""The cases of feeds, connections and records: when they open, what their pages say, what their buttons do."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from apps.core.models import AuditEntry, Entity
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.operations import find_action, perform, plan
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.integrations import endings, jobs, operations, runs
from apps.integrations.contract import PermanentError, TransientError
from apps.integrations.credentials import open_sealed
from apps.integrations.exception_types.records import MASKED, masked
from apps.integrations.feeds import silent
from apps.integrations.models import Connection, Job, Source, SyncRun, UnreadableRecord
from apps.integrations.rules import MOST_TRIES
from tests.factories import ConnectionFactory, person
from tests.integrations.things import EVERY, FEED, QUIET_AFTER, evidence, revoked, things

pytestmark = pytest.mark.django_db(transaction=True)

SECRETS = {"client_id": "amzn1.app.4711", "client_secret": "s3cret-one", "refresh_token": "Atzr|s3cret-two"}


def live(entity: Entity) -> set[str]:
    return set(Case.objects.live().filter(entity=entity).values_list("type", flat=True))


def swept(entity: Entity, code: str) -> set[str]:
    sweep(code, Scope(entity=entity))
    return live(entity)


def do(case: Case, name: str, role: Role, data: dict | None = None) -> str:
    asked = {"case": case, "action": find_action(case, name), "actor": person(role, case.entity)}
    _, planned = plan(**asked, data=data or {})
    return perform(**asked, data=(data or {}) | {"digest": planned.digest}, digest=planned.digest).words


def age(source: Source, by: timedelta) -> None:
    Source.objects.filter(pk=source.pk).update(watched_from=Now() - by)


def body(case: Case, role: Role, query: str = "") -> str:
    client = Client()
    client.force_login(person(role, case.entity))
    return " ".join(client.get(f"/cases/{case.pk}/{query}").content.decode().split())


class TestStale:
    def test_a_new_source_has_until_its_first_expected_moment(self, source, entity):
        assert swept(entity, endings.FEED_STALE) == set()
        age(source, QUIET_AFTER + timedelta(minutes=1))
        assert swept(entity, endings.FEED_STALE) == {endings.FEED_STALE}
        case = Case.objects.get()
        assert "went quiet: it has proven nothing yet" in case.kind.headline(case)

    def test_a_run_without_an_error_and_without_proof_is_not_enough(self, source, outside, entity):
        age(source, QUIET_AFTER * 2)
        outside.pages = []  # it answers, and never says that it has told us everything
        assert runs.run_here(source).job.state == "done"
        assert live(entity) == {endings.FEED_STALE}
        outside.pages = [{}]
        runs.run_here(source)
        assert live(entity) == set()

    def test_a_paused_source_is_not_stale_and_has_time_once_it_goes_on(self, source, entity):
        admin = person(Role.ADMIN, entity)
        age(source, QUIET_AFTER * 2)
        operations.pause(source=source, paused=True, actor=admin)
        age(source, QUIET_AFTER * 2)
        assert swept(entity, endings.FEED_STALE) == set()
        operations.pause(source=source, paused=False, actor=admin)
        assert swept(entity, endings.FEED_STALE) == set()

    def test_only_fresh_feeds_are_trusted(self, source, outside, entity):
        doubts = silent(FEED)
        assert doubts(entity)
        runs.run_here(source)
        assert not doubts(entity)
        assert not silent("amazon.settlements")(entity)  # nothing of it comes by feed here
        Source.objects.update(proven_at=timezone.now() - QUIET_AFTER - timedelta(seconds=1))
        assert doubts(entity)

    def test_of_several_feeds_the_one_that_never_proved_anything_is_told(self, source, entity):
        Source.objects.update(proven_at=timezone.now() - QUIET_AFTER * 2)
        Source.objects.create(connection=source.connection, feed="amazon.orders", every=EVERY)
        (told,) = silent(FEED, "amazon.orders")(entity).values()
        assert "has proven nothing yet" in told


class TestFailing:
    def test_a_structural_failure_opens_at_once_and_clears_with_a_run_that_works(self, source, outside, entity):
        outside.fail([PermanentError(evidence(400, "InvalidInput"))])
        run = runs.run_here(source)
        run_pk = run.pk
        case = Case.objects.get()
        assert (case.type, case.diagnosis) == (endings.FEED_FAILING, "structural")
        page = body(case, Role.OPS)
        assert "the last run ended in an error" in page
        assert "getThings answered 400 InvalidInput" in page and f"/runs/{run_pk}/" in page
        runs.run_here(source)
        assert live(entity) == set()
        run.delete()
        page = body(case, Role.OPS)
        assert f"Run {run_pk}, ended" in page and f"/runs/{run_pk}/" not in page

    def test_a_run_that_meets_a_revoked_consent_is_the_connections_case_alone(self, source, outside, entity):
        run = runs.pull(source)
        Connection.objects.update(revoked_at=timezone.now())
        jobs.run_here(run.job)
        run.refresh_from_db()
        assert (run.verdict, outside.asked, live(entity)) == ("structural", [], {endings.UNAUTHORISED})
        Connection.objects.update(revoked_at=None)
        swept(entity, endings.UNAUTHORISED)
        assert swept(entity, endings.FEED_FAILING) == set()

    def test_what_is_not_known_has_to_happen_twice(self, source, outside, entity):
        outside.fail([KeyError("payload")])
        runs.run_here(source)
        assert live(entity) == set()
        outside.fail([KeyError("payload")])
        runs.run_here(source)
        case = Case.objects.get()
        assert (case.type, case.diagnosis, case.facts["in_a_row"]) == (endings.FEED_FAILING, "unknown", 2)

    def test_fetch_again_pulls_it(self, source, outside, entity):
        outside.fail([PermanentError(evidence(400))])
        failed = runs.run_here(source)
        said = do(Case.objects.get(), "fetch-again", Role.OPS)
        newer = SyncRun.objects.latest("pk")
        assert (said, newer.source) == (f"Run {newer.pk} is on its way.", source)
        assert newer != failed


@pytest.mark.parametrize(("status", "code"), [(429, endings.THROTTLED), (503, endings.UNAVAILABLE), (None, endings.UNAVAILABLE)])
def test_used_up_tries_are_one_case_of_the_connection(source, outside, entity, status, code):
    outside.fail([TransientError(evidence(status))] * MOST_TRIES)
    run = runs.run_here(source)
    ops = person(Role.OPS, entity)
    while run.job.state == "waiting":
        assert live(entity) == set()
        operations.try_now(job=run.job, actor=ops)
        jobs.run_here(Job.objects.get(pk=run.job_id))
        run = SyncRun.objects.select_related("job").get(pk=run.pk)
    case = Case.objects.get()
    assert (case.type, case.subject, case.diagnosis, case.lines) == (code, str(source.connection_id), "transient", 1)
    shown = body(case, Role.VIEWER)
    assert f"It failed {MOST_TRIES} times in a row" in shown and f"/runs/{run.pk}/" in shown
    runs.run_here(source)
    assert live(entity) == set()
    SyncRun.objects.filter(pk=run.pk).delete()
    assert f"/runs/{run.pk}/" not in body(case, Role.VIEWER)


class TestUnauthorised:
    @pytest.fixture
    def case(self, source, outside, entity) -> Case:
        outside.fail([revoked()])
        runs.run_here(source)
        return Case.objects.get()

    def test_it_is_the_one_case_however_many_feeds_stand_still(self, case, source, entity):
        Source.objects.create(connection=source.connection, feed="tests.others", every=EVERY)
        age(source, QUIET_AFTER * 3)
        for code in (endings.UNAUTHORISED, endings.FEED_STALE, endings.FEED_FAILING):
            sweep(code, Scope(entity=entity))
        assert live(entity) == {endings.UNAUTHORISED}
        case.refresh_from_db()
        assert "2 feeds stand still" in case.kind.headline(case)

    def test_a_check_that_succeeds_clears_it(self, case, entity):
        assert do(case, "check", Role.OPS).endswith("is being checked.")
        jobs.run_here(Job.objects.get(kind="integrations.check"))
        assert live(entity) == set()

    def test_credentials_are_replaced_and_come_back_nowhere(self, case, source, entity):
        do(case, "replace-credentials", Role.ADMIN, SECRETS)
        assert open_sealed(source.connection) == SECRETS
        page = body(case, Role.ADMIN, "?action=replace-credentials")
        told = page + str(list(AuditEntry.objects.values())) + str(list(Job.objects.values()))
        assert 'type="password"' in page
        assert not any(secret in told for secret in SECRETS.values())
        jobs.run_here(Job.objects.get(kind="integrations.check"))
        assert live(entity) == set()


class TestUnreadable:
    @pytest.fixture
    def case(self, source, outside, entity) -> Case:
        outside.pages[0]["b"] = None
        runs.run_here(source)
        return Case.objects.get()

    def test_the_page_recommends_one_button_and_says_why(self, case, source, outside):
        page = body(case, Role.OPS)
        assert "<b>Recommended.</b> It came once." in page and "Fetch again" in page and "Process again" in page
        UnreadableRecord.objects.update(first_seen_at=Now() - timedelta(hours=1))
        sweep(endings.UNREADABLE, Scope(entity=case.entity))
        page = body(case, Role.OPS)
        assert "<b>Recommended.</b> It came more than once" in page
        assert "Process it again" in page
        assert "We recommend the other one." in body(case, Role.OPS, "?action=fetch-again")

    def test_process_again_reads_what_was_kept(self, case, entity):
        UnreadableRecord.objects.update(raw={"text": "two"})
        assert do(case, "process-again", Role.OPS) == "b is read."
        assert things(entity)["b"] == "two"
        assert live(entity) == set()

    def test_what_still_cannot_be_read_stays(self, case, entity):
        client = Client()
        client.force_login(person(Role.OPS, entity))
        planned = plan(
            case=case, action=find_action(case, "process-again"), actor=person(Role.OPS, entity), data={}
        )[1]
        answer = client.post(f"/cases/{case.pk}/do/process-again/", {"digest": planned.digest})
        assert answer.status_code == 422
        assert "It still cannot be read: text: expected words" in answer.content.decode()
        assert live(entity) == {endings.UNREADABLE}


def test_a_record_is_shown_without_what_may_be_about_a_person():
    raw = {
        "orderId": "202-1",
        "createdTime": "2026-11-12",
        "buyer": {"buyerEmail": "ann@example.com"},
        "recipient": {"deliveryAddress": {"name": "Ann", "addressLine1": "1 High St", "postalCode": "LS1 4AP"}},
        "orderItems": [{"sku": "BF-1", "giftMessage": "Dear Ann", "quantity": 2}],
        "salesChannel": {"channelName": "AMAZON"},
        "phone": "",
    }
    assert masked(raw) == {
        "orderId": "202-1",
        "createdTime": "2026-11-12",
        "buyer": MASKED,
        "recipient": MASKED,
        "orderItems": [{"sku": "BF-1", "giftMessage": MASKED, "quantity": 2}],
        "salesChannel": {"channelName": MASKED},
        "phone": "",
    }
    assert masked("Ann, 1 High St") == MASKED
    assert masked(["Ann", 3]) == [MASKED, 3]
    assert masked(None) is None


def test_a_connection_that_people_feed_by_hand_has_no_such_case(entity):
    ConnectionFactory(entity=entity)
    for code in (endings.FEED_STALE, endings.FEED_FAILING, endings.UNAUTHORISED, endings.THROTTLED, endings.UNAVAILABLE):
        assert swept(entity, code) == set()
