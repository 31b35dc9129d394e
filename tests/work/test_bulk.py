"""Many cases at once: frozen, checked, confirmed, stopped, taken over, and done once."""

from contextlib import suppress

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import Role
from apps.exceptions import operations
from apps.exceptions.models import Case, State
from apps.exceptions.operations import InvalidForm
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.integrations import jobs
from apps.integrations.leases import LeaseLost
from apps.integrations.models import Job
from apps.integrations.operations import run_again
from apps.work.bulk import batches as bulk_batches
from apps.work.bulk import freezing
from apps.work.bulk.models import Bulk, FrozenList
from apps.work.bulk.operations import confirm, freeze, go_on, is_broken, retry_failed, stop
from apps.work.filters import CaseFilter
from tests.exceptions.facts import HOLDS, put
from tests.factories import CaseFactory, EntityFactory, MembershipFactory, person
from tests.integrations.threads import in_thread
from tests.work.bulks import checked, done, results, worked

pytestmark = pytest.mark.django_db(transaction=True)
WHY = {"reason": "Peak season"}


@pytest.fixture
def entity(transactional_db) -> Entity:
    return EntityFactory(name="Brackenfold Home Ltd")


@pytest.fixture
def marta(entity) -> User:
    return person(Role.FINANCE, entity, name="Marta Lis")


@pytest.fixture
def three(entity) -> list[Case]:
    return CaseFactory.create_batch(3, entity=entity)


@pytest.fixture
def found(entity, test_types) -> list[Case]:
    """Three cases of one type, each with a fact that stands behind it."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM test_fact")
    for subject in ("alpha", "beta", "gamma"):
        put(entity, subject)
    sweep(HOLDS, Scope(entity=entity))
    return list(Case.objects.order_by("subject"))


def test_all_that_match_are_those_of_that_instant(entity, marta, three):
    bulk = checked(marta, "assign", {"to": marta.pk}, team="finance")
    late = CaseFactory(entity=entity)
    assert (bulk.state, bulk.eligible, bulk.chosen) == ("ready", 3, "All open, of Finance")
    assert not Case.objects.filter(assigned_to=marta).exists()
    bulk = done(bulk)
    assert results(bulk) == {case.pk: ("done", "") for case in three}
    late.refresh_from_db()
    assert late.assigned_to is None


def test_the_list_is_of_the_click_however_late_the_dry_run_begins(entity, marta, three):
    bulk = freeze(user=marta, action="claim", data={}, entity_ids=[entity.pk], filter=CaseFilter.of({"team": "finance"}))
    thrown_away = freeze(user=marta, action="claim", data={}, entity_ids=[entity.pk], case_ids=[three[0].pk])
    assert (bulk.members, bulk.queues, bulk.cases.count()) == (3, [f"{entity.pk}:finance"], 0)
    Case.objects.filter(pk=three[0].pk).update(state="cleared", ended_at=timezone.now())
    CaseFactory(entity=entity)
    stop(bulk=thrown_away, user=marta)
    eligible = {case.pk: ("eligible", "") for case in three[1:]}
    assert results(worked(bulk)) == {three[0].pk: ("not-eligible", "not-live")} | eligible
    jobs.run_here(thrown_away.job)
    assert not thrown_away.cases.exists() and not FrozenList.objects.exists()


def test_no_more_than_the_most_and_it_says_how_many_there_are(entity, marta, three, monkeypatch):
    monkeypatch.setattr(freezing, "MOST", 2)
    top = CaseFactory(entity=entity, score=9)
    bulk = checked(marta, "claim", team="finance")
    assert (bulk.members, bulk.matched) == (2, 4)
    assert top.pk in results(bulk)


def test_what_changed_since_the_dry_run_is_skipped_and_nothing_else(marta, three):
    bulk = checked(marta, "dismiss", WHY, [CaseFactory(entity=three[0].entity, holds_back=False) for _ in range(3)])
    grown, taken, same = Case.objects.filter(pk__in=results(bulk)).order_by("pk")
    Case.objects.filter(pk=grown.pk).update(stake=5000)
    operations.claim(case=taken, actor=person(Role.FINANCE, taken.entity))
    bulk = done(bulk)
    assert results(bulk) == {grown.pk: ("skipped", "changed"), taken.pk: ("skipped", "claimed"), same.pk: ("done", "")}
    assert (bulk.done, bulk.skipped, bulk.failed, bulk.not_reached) == (1, 2, 0, 0)

    retry = worked(retry_failed(bulk=bulk, user=marta))  # of the one that a new dry run may show anew
    assert (retry.retry_of, retry.data, results(retry)) == (bulk, bulk.data, {grown.pk: ("eligible", "")})


def test_a_role_that_is_taken_away_meanwhile_skips_the_rest(marta, three):
    bulk = checked(marta, "claim", cases=three)
    marta.memberships.all().delete()
    bulk = done(bulk)
    assert set(results(bulk).values()) == {("skipped", "not-allowed")}


def test_a_stop_keeps_what_is_done_and_a_retry_takes_the_rest(marta, three, monkeypatch):
    monkeypatch.setattr(bulk_batches, "SIZE", 1)
    bulk = checked(marta, "claim", cases=three)
    bulk = confirm(bulk=bulk, user=marta, digest=bulk.digest)
    real = bulk_batches.hold

    def stop_after_the_first(job: Job) -> None:
        real(job)
        monkeypatch.setattr(bulk_batches, "hold", real)
        stopping.append(in_thread(lambda: stop(bulk=bulk, user=marta)))

    stopping = []
    monkeypatch.setattr(bulk_batches, "hold", stop_after_the_first)
    job = jobs.run_here(bulk.job)
    stopping[0].join()
    bulk.refresh_from_db()
    assert bulk.state == "stopped"
    assert 1 <= bulk.done <= 3 and bulk.done + bulk.not_reached == 3
    assert Case.objects.filter(claimed_by=marta).count() == bulk.done
    if bulk.not_reached:
        assert job.result["state"] == "stopped"
        retry = done(worked(retry_failed(bulk=bulk, user=marta)))
        assert retry.done == bulk.not_reached
    assert Case.objects.filter(claimed_by=marta).count() + bulk.not_reached >= 3


def test_who_takes_over_from_a_killed_worker_does_no_member_twice(marta, three, monkeypatch):
    monkeypatch.setattr(bulk_batches, "SIZE", 1)
    bulk = checked(marta, "note", {"text": "Asked Amazon"}, three)
    bulk = confirm(bulk=bulk, user=marta, digest=bulk.digest)
    real, calls = bulk_batches.hold, []

    def lose_the_second(job: Job) -> None:
        calls.append(job)
        if len(calls) == 2:
            raise LeaseLost(str(job))  # what the batch wrote is undone
        real(job)

    monkeypatch.setattr(bulk_batches, "hold", lose_the_second)
    jobs.run(bulk.job.pk, "the worker that was killed")
    bulk.refresh_from_db()
    assert (bulk.state, bulk.done) == ("running", 1)
    monkeypatch.setattr(bulk_batches, "hold", real)
    Job.objects.filter(pk=bulk.job.pk).update(lease_until=timezone.now())
    jobs.requeue_expired()
    bulk = worked(bulk)
    assert (bulk.state, bulk.done) == ("done", 3)
    assert AuditEntry.objects.filter(verb="case.noted").count() == 3


def test_the_work_of_a_bulk_over_two_companies_is_for_nobody_of_a_third(marta, three):
    second = EntityFactory()
    MembershipFactory(user=marta, entity=second, role=Role.FINANCE)
    MembershipFactory(user=marta, entity=second, role=Role.OPS)
    bulk = checked(marta, "claim", cases=[*three, CaseFactory(entity=second)])
    assert bulk.job.entity is None and Job.objects.visible_to(marta).filter(pk=bulk.job.pk).exists()
    for role in (Role.ADMIN, Role.OPS):
        assert not Job.objects.visible_to(person(role, EntityFactory())).filter(pk=bulk.job.pk).exists()


def test_work_that_failed_goes_on_where_it_was(marta, three, monkeypatch):
    bulk = checked(marta, "claim", cases=three)
    bulk = confirm(bulk=bulk, user=marta, digest=bulk.digest)
    with pytest.raises(Refused, match="has not failed"):
        go_on(bulk=bulk, user=marta)
    monkeypatch.setattr(bulk_batches, "hold", lambda job: 1 / 0)
    jobs.run_here(bulk.job)
    monkeypatch.undo()
    bulk.refresh_from_db()
    assert is_broken(bulk) and bulk.done == 0
    failed, bulk = bulk.job, go_on(bulk=bulk, user=marta)
    jobs.run_here(run_again(job=failed, actor=person(Role.OPS, three[0].entity)))  # it would take up the other one's members
    bulk.refresh_from_db()
    assert (bulk.state, bulk.done) == ("running", 0)
    bulk = worked(bulk)
    assert (bulk.state, bulk.done) == ("done", 3)


def test_an_action_of_the_type_is_planned_and_done_for_each(marta, found):
    alpha, beta, gamma = found
    operations.snooze(case=gamma, actor=marta, until=alpha.due_at.replace(year=2099), reason="Later")
    bulk = checked(marta, "fix", {"account": "5110"}, found)
    assert set(bulk.cases.values_list("verdict", "why")) == {("eligible", "Frees 100 GBP.")}
    put(beta.entity, "beta", stake="700")  # the plan that was shown is not the one of now
    put(gamma.entity, "unreadable")
    bulk = done(bulk)
    assert set(results(bulk).values()) == {("failed", "detector-failed"), ("skipped", "changed")}
    assert "Frees 700 GBP." in bulk.cases.get(case=beta).why

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM test_fact WHERE subject = 'unreadable'")
    retry = done(worked(retry_failed(bulk=bulk, user=marta)))
    assert (retry.done, retry.members) == (3, 3)
    assert set(Case.objects.values_list("state", flat=True)) == {State.RESOLVED}
    assert set(retry.cases.values_list("why", flat=True)) == {"Posted to 5110."}


def test_what_one_member_raises_is_its_own_failure(marta, found, monkeypatch, caplog):
    bulk = checked(marta, "fix", {"account": "5110"}, found)
    monkeypatch.setattr("tests.exceptions.facts.drop", lambda entity, subject: 1 / (subject != "beta") and None)
    bulk = done(bulk)
    assert results(bulk)[found[1].pk] == ("failed", "internal")
    assert "beta" not in bulk.cases.get(case=found[1]).why and "ZeroDivisionError" in caplog.text


def test_what_cannot_be_begun_is_said_at_once(entity, marta, three, found):
    ids = [case.pk for case in three]
    asked = {"user": marta, "entity_ids": [entity.pk], "data": {}}
    with pytest.raises(InvalidForm):
        freeze(**asked, action="snooze", case_ids=ids)
    with pytest.raises(Refused, match="No exception is chosen"):
        freeze(**asked, action="claim", filter=CaseFilter.of({"team": "finance", "view": "snoozed"}))
    with pytest.raises(Refused, match="no action “smile”"):
        freeze(**asked, action="smile", case_ids=[found[0].pk])
    with pytest.raises(Refused, match="several kinds"):
        freeze(**asked, action="fix", case_ids=[found[0].pk, CaseFactory(entity=entity, type="test.loose").pk])
    elsewhere = CaseFactory(entity=EntityFactory())
    with pytest.raises(Refused, match="1 of these exceptions are not there"):
        freeze(**asked, action="claim", case_ids=[*ids, elsewhere.pk])
    assert not Bulk.objects.exists()


def test_only_who_began_it_confirms_what_was_shown(entity, marta, three):
    bulk = checked(marta, "claim", cases=three)
    ian = person(Role.FINANCE, entity, name="Ian Grove")
    for verb in (stop, retry_failed, lambda **asked: confirm(**asked, digest=bulk.digest)):
        with pytest.raises(NotAllowed, match="Marta Lis began"):
            verb(bulk=bulk, user=ian)
    with pytest.raises(Refused, match="not the dry run"):
        confirm(bulk=bulk, user=marta, digest="another")
    done(bulk)
    with pytest.raises(Refused, match="is done"):
        confirm(bulk=bulk, user=marta, digest=bulk.digest)
    with pytest.raises(Refused, match="done already"):
        stop(bulk=bulk, user=marta)


def test_a_bulk_is_seen_by_who_reads_every_queue_of_it(entity, marta, three):
    other = EntityFactory()
    MembershipFactory(user=marta, entity=other)
    both = checked(marta, "claim", cases=[*three, CaseFactory(entity=other)])
    ours = checked(marta, "claim", cases=three)
    ian, kofi = person(Role.FINANCE, entity), person(Role.OPS, entity)
    assert set(Bulk.objects.visible_to(marta)) == {both, ours}
    assert set(Bulk.objects.visible_to(ian)) == {ours}
    assert not Bulk.objects.visible_to(kofi).exists()


def test_sweeps_and_people_beside_it_never_deadlock(entity, marta, found, monkeypatch):
    monkeypatch.setattr(bulk_batches, "SIZE", 1)
    ian = person(Role.FINANCE, entity)
    faults = []

    def beside(work) -> None:
        for turn in range(12):
            try:
                with suppress(Refused):  # somebody else is at it
                    work(turn)
            except DatabaseError as error:
                faults.append(error)

    def sweep_anew(turn: int) -> None:
        put(entity, "alpha", stake=str(turn))
        sweep(HOLDS, Scope(entity=entity))

    others = [
        in_thread(lambda: beside(sweep_anew)),
        in_thread(lambda: beside(lambda turn: operations.claim(case=found[turn % 3], actor=ian))),
        in_thread(lambda: beside(lambda turn: operations.release(case=found[turn % 3], actor=ian))),
    ]
    for turn in range(6):
        bulk = checked(marta, "assign", {"to": (marta, ian)[turn % 2].pk}, found)
        if bulk.eligible:
            bulk = done(bulk)
            assert bulk.done + bulk.skipped == bulk.eligible
    for other in others:
        other.join()
    assert faults == []
