"""Retries over real HTTP: each leaves once, whoever dies or asks meanwhile, and a record ends by the platform's word alone."""

import json
import socket
import threading
import time
from contextlib import suppress
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.core import keeping
from apps.core.errors import NotAllowed, Refused
from apps.core.keeping import FAILED_RECORDS
from apps.core.permissions import Role
from apps.exceptions import operations as cases
from apps.exceptions.models import Case, State
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.integrations import jobs
from apps.integrations.credentials import rotate
from apps.integrations.leases import LeaseLost
from apps.integrations.models import Job, JobState
from apps.platforms import operations, sending
from apps.platforms.intake import CODE
from apps.platforms.models import FailedRecord, Retry
from apps.work.alerts import webhooks
from apps.work.bulk import operations as bulks
from apps.work.bulk.models import BulkMember
from tests.factories import person
from tests.platforms.conftest import (
    MINUTE,
    RETRIES,
    again,
    at_once,
    do,
    failed,
    report,
    retries,
    retry,
    run,
    states,
    succeeded,
    the_case,
)

pytestmark = pytest.mark.django_db(transaction=True)

BUSY = (429, {"retry-after": "600"}, b"slow down")
A_YEAR = (429, {"retry-after": "31536000"}, b"")
TAKEN = (202, {}, b"{}")


def keys_asked(there) -> list[str]:
    return [json.loads(body)["key"] for body in there.bodies]


def test_each_record_is_asked_for_once_and_ends_by_the_platforms_word(platform, there, tom):
    report(platform, failed(1), failed(2))
    case = the_case(platform)
    job = retry(case, tom)
    assert there.asked == []  # written before anything leaves
    assert [state for _, state in retries()] == ["waiting", "waiting"]
    assert run(job).result == {"words": "2 taken by the platform."}
    (path, _, headers), body = there.asked[0], json.loads(there.bodies[0])
    assert path == RETRIES and headers["authorization"] == "Bearer theirs"
    assert body == {"id": "r-1", "flow": "orders → ERP", "attempt": 1, "key": headers["idempotency-key"]}
    case.refresh_from_db()
    assert case.is_live and case.kind.headline(case).startswith("Patchwork was asked to retry 2 records")
    assert not case.kind.actions[0].available(case)  # nothing to ask for now
    run(job)
    assert len(there.asked) == 2
    report(platform, succeeded(1), failed(2, at=timezone.now()))
    case = the_case(platform)
    assert (case.lines, case.facts["asked"]) == (1, 0)
    run(retry(case, tom))
    assert keys_asked(there)[2] != keys_asked(there)[1] and json.loads(there.bodies[2])["attempt"] == 2
    report(platform, succeeded(2))
    case.refresh_from_db()
    assert (case.state, case.ended_by) == (State.CLEARED, None)


def test_who_presses_twice_and_two_who_press_at_once_ask_once(platform, there, tom):
    report(platform, failed(1))
    case = the_case(platform)
    action = cases.find_action(case, "retry")
    _, plan = cases.plan(case=case, action=action, actor=tom, data={})

    def press(_: int) -> str:
        try:
            cases.perform(case=case, action=action, actor=tom, data={}, digest=plan.digest)
        except Refused as refused:
            return refused.code
        return "asked"

    assert sorted(at_once(press, 3)) == ["asked", "not-available", "not-available"]
    run(Job.objects.get(kind=operations.SEND))
    assert len(there.asked) == 1


@pytest.mark.parametrize("answer", [BUSY, A_YEAR, (503, {}, b"")])
def test_what_was_not_taken_leaves_later_under_the_same_key(platform, there, tom, answer):
    there.answers[RETRIES] = [answer, TAKEN]
    report(platform, failed(1), failed(2))
    job = run(retry(the_case(platform), tom))
    assert job.state == JobState.WAITING
    pause = job.not_before - timezone.now()
    shortest = {429: timedelta(minutes=9), 503: timedelta(seconds=50)}[answer[0]]
    assert shortest < pause <= timedelta(hours=6) and (answer is not A_YEAR or pause > timedelta(hours=5))
    assert len(there.asked) == 1  # the others are not told the same
    FailedRecord.objects.update(asked_at=timezone.now() - timedelta(hours=5))
    sweep(CODE, Scope(entity=platform.connection.entity))
    case = the_case(platform)  # nothing is silent that has not left
    assert case.facts["silent"] == 0 and not case.kind.actions[0].available(case)
    assert again(job).state == JobState.DONE
    first, second, third = keys_asked(there)
    assert first == second != third
    assert {state for _, state in retries()} == {"taken"}


def test_a_platform_that_stays_busy_gets_no_more_and_the_records_are_failed_again(platform, there, tom):
    there.answers[RETRIES] = [(503, {}, b"closed for maintenance")]
    report(platform, failed(1), failed(2))
    job = run(retry(the_case(platform), tom))
    for _ in range(4):
        job = again(job)
    assert job.state == JobState.DONE and "We tried 5 times." in job.result["words"]
    assert len(there.asked) == 5 and set(keys_asked(there)) == {retries()[0][0]}
    assert {state for _, state in retries()} == {"unsent"}
    assert set(states().values()) == {"failed"}
    case = the_case(platform)
    assert case.facts["asked"] == 0 and case.kind.actions[0].available(case)


def test_nobody_there_is_tried_again(platform, there, tom):
    report(platform, failed(1))
    there.server.server_close()
    there.server.shutdown()
    job = run(retry(the_case(platform), tom))
    assert job.state == JobState.WAITING and "could not be reached" in job.error
    assert there.url not in job.error


CUT_OFF = (202, {"content-length": "900", "connection": "close"}, b"cut")


@pytest.mark.parametrize("answer", [(500, {}, b"oops"), (502, {}, b""), CUT_OFF])
def test_what_may_have_been_taken_does_not_leave_again(platform, there, tom, answer):
    there.answers[RETRIES] = [answer]
    report(platform, failed(1))
    job = run(retry(the_case(platform), tom))
    again(job)
    assert len(there.asked) == 1
    assert retries()[0][1] == "unknown" and states() == {"r-1": "asked"}


def test_a_killed_worker_leaves_a_retry_whose_outcome_is_not_known(platform, there, tom, monkeypatch):
    report(platform, failed(1), failed(2))
    job = retry(the_case(platform), tom)

    def killed(*_) -> None:
        raise LeaseLost("killed")

    with monkeypatch.context() as patched:
        patched.setattr(sending, "_answered", killed)  # dies between the call and its answer
        run(job)
    assert [state for _, state in retries()] == ["leaving", "waiting"]
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - MINUTE)
    jobs.requeue_expired()
    run(job)
    assert [state for _, state in retries()] == ["unknown", "taken"]
    assert [json.loads(body)["id"] for body in there.bodies] == ["r-1", "r-2"]


def test_what_fails_anew_while_it_leaves_is_not_asked_for_until_its_answer_is_there(platform, there, tom):
    report(platform, failed(1))
    job = retry(the_case(platform), tom)
    Retry.objects.update(state="leaving", left_at=timezone.now())  # the platform runs it before it answers
    report(platform, failed(1, at=timezone.now()))
    case = the_case(platform)
    assert states() == {"r-1": "failed"} and not case.kind.actions[0].available(case)
    run(job)
    run(retry(case, tom))
    assert [state for _, state in retries()] == ["unknown", "taken"]


def test_a_job_that_ended_before_its_answer_keeps_nobody_from_asking(platform, there, tom):
    report(platform, failed(1), failed(2))
    job = retry(the_case(platform), tom)
    Retry.objects.filter(record__external_id="r-1").update(state="leaving", left_at=timezone.now())
    Job.objects.filter(pk=job.pk).update(state=JobState.STUCK)
    case = the_case(platform)
    run(retry(case, tom))  # the one that certainly never left
    assert [json.loads(body)["id"] for body in there.bodies] == ["r-2"]
    FailedRecord.objects.filter(external_id="r-1").update(asked_at=timezone.now() - timedelta(hours=5))
    run(retry(case, tom))
    assert retries() == [
        (retries()[0][0], "unknown"),
        (retries()[1][0], "unsent"),
        (retries()[2][0], "taken"),
        (retries()[3][0], "taken"),
    ]
    assert len({key for key, _ in retries()}) == 4


def test_an_answer_that_no_column_holds_is_kept_as_words(platform, there, tom):
    there.answers[RETRIES] = [(422, {}, b"no\x00such\x1b\xe2\x80\xaerun")]
    report(platform, failed(1))
    assert run(retry(the_case(platform), tom)).state == JobState.DONE
    assert Retry.objects.get().words == "127.0.0.1 answered 422: no such run."


def test_an_answer_that_trickles_without_end_is_no_answer(platform, ian, tom, monkeypatch):
    monkeypatch.setattr(webhooks, "ANSWER", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        operations.change_address(platform=platform, address=address, token="", actor=ian)
        report(platform, failed(1))
        job = retry(the_case(platform), tom)
        trickle = threading.Thread(target=_trickle, args=[server])
        trickle.start()
        run(job)
        trickle.join()
    assert [state for _, state in retries()] == ["unknown"]


def _trickle(server: socket.socket) -> None:
    """A header that goes on for five seconds, unless the other side has enough."""
    stream, _ = server.accept()
    with stream, suppress(OSError):
        stream.sendall(b"HTTP/1.1 202 Accepted\r\nx: ")
        for _ in range(50):
            stream.sendall(b"x")
            time.sleep(0.1)
        stream.sendall(b"\r\ncontent-length: 0\r\n\r\n")


def test_a_refusal_gives_the_record_back_with_its_words(platform, there, tom):
    there.answers[RETRIES] = [(422, {}, b"no such run, ask anna@example.com"), TAKEN]
    report(platform, failed(1), failed(2))
    run(retry(the_case(platform), tom))
    assert states() == {"r-1": "failed", "r-2": "asked"}
    refused = Retry.objects.get(state="refused")
    assert refused.status == 422 and refused.words == "127.0.0.1 answered 422: no such run, ask (e-mail)."
    assert the_case(platform).facts["asked"] == 1


def test_a_shut_door_stops_all_of_them_until_an_admin_mends_it(platform, there, tom, ian):
    there.answers[RETRIES] = [(401, {}, b"bad token")]
    report(platform, failed(1), failed(2), failed(3))
    case = the_case(platform)
    job = run(retry(case, tom))
    assert job.result["words"] == "127.0.0.1 answered 401: bad token. Nothing more was asked."
    assert len(there.asked) == 1 and sorted(state for _, state in retries()) == ["refused", "unsent", "unsent"]
    assert set(states().values()) == {"failed"}
    case = the_case(platform)
    assert case.facts["refused"] == "127.0.0.1 answered 401: bad token."
    with pytest.raises(Refused, match="does not apply"):
        retry(case, tom)
    there.answers[RETRIES] = [TAKEN]
    operations.change_address(platform=platform, address=f"{there.url}{RETRIES}", token="other", actor=ian)
    run(retry(the_case(platform), tom))
    assert there.asked[-1][2]["authorization"] == "Bearer other" and set(states().values()) == {"asked"}


def test_what_succeeded_or_was_done_by_hand_before_it_left_does_not_leave(platform, there, tom):
    report(platform, failed(1), failed(2), failed(3))
    job = retry(the_case(platform), tom)
    report(platform, succeeded(1))
    case = the_case(platform)
    assert case.lines == 2
    FailedRecord.objects.filter(external_id="r-2").update(state="by-hand", ended_at=timezone.now())
    run(job)
    assert [json.loads(body)["id"] for body in there.bodies] == ["r-3"]
    assert [state for _, state in retries()] == ["unsent", "unsent", "taken"]


def test_a_failure_told_while_it_waits_to_leave_keeps_it_asked_and_one_told_while_it_leaves_does_not(platform, there, tom):
    report(platform, failed(1))
    job = retry(the_case(platform), tom)
    report(platform, failed(1, at=timezone.now()))
    assert states() == {"r-1": "asked"}
    run(job)
    assert len(there.asked) == 1
    report(platform, failed(1, at=timezone.now() + MINUTE))
    assert states() == {"r-1": "failed"}
    sent = Retry.objects.get()
    assert sent.state == "taken"


def test_silence_is_said_and_may_be_asked_into_once_more(platform, there, tom):
    report(platform, failed(1), failed(2))
    run(retry(the_case(platform), tom))
    report(platform, succeeded(2))
    FailedRecord.objects.filter(state="asked").update(asked_at=timezone.now() - timedelta(hours=5))
    sweep(CODE, Scope(entity=platform.connection.entity))
    case = the_case(platform)
    assert case.kind.headline(case) == "Patchwork says nothing of 1 record of orders → ERP that it was asked to retry"
    run(retry(case, tom))
    assert [json.loads(body)["attempt"] for body in there.bodies] == [1, 1, 2]


def test_who_may_not_asks_for_nothing(platform, there, tom, ian):
    report(platform, failed(1))
    case = the_case(platform)
    viewer = person(Role.VIEWER, platform.connection.entity)
    with pytest.raises(NotAllowed):
        do(case, viewer, "retry")
    with pytest.raises(NotAllowed):
        operations.change_key(platform=platform, actor=tom)
    assert not Retry.objects.exists()


def test_an_inner_address_is_refused_and_secrets_are_in_no_row(platform, there, ian, settings):
    settings.WEBHOOKS_TO_PRIVATE = False
    for address in ("http://127.0.0.1/x", "https://10.0.0.8/x", "https://user:pw@platform.example/x"):
        with pytest.raises(Refused):
            operations.change_address(platform=platform, address=address, token="", actor=ian)
    with pytest.raises(Refused) as refused:
        operations.change_address(platform=platform, address="https://platform.example/x", token="tóken", actor=ian)
    assert refused.value.field == "token"
    assert RETRIES not in platform.retries_to and platform.retries_to.startswith("127.0.0.1 …")
    assert rotate() == 1
    longest = f"https://{'.'.join(['long' * 15] * 4)}/x"
    assert operations.change_address(platform=platform, address=longest, token="", actor=ian).retries_to.startswith("long")


def test_a_bulk_of_the_cases_asks_for_all(platform, there, tom):
    report(platform, failed(1), failed(2, text="Timed out"), failed(3, text="Timed out"))
    ids = list(Case.objects.live().values_list("pk", flat=True))
    entity = platform.connection.entity
    bulk = bulks.freeze(user=tom, action="retry", data={}, entity_ids=[entity.pk], case_ids=ids)
    jobs.run_here(bulk.job)
    bulk.refresh_from_db()
    bulk = bulks.confirm(bulk=bulk, user=tom, digest=bulk.digest)
    jobs.run_here(bulk.job)
    assert list(BulkMember.objects.filter(bulk=bulk).values_list("verdict", flat=True)) == ["done", "done"]
    for job in Job.objects.filter(kind=operations.SEND):
        run(job)
    assert sorted(json.loads(body)["id"] for body in there.bodies) == ["r-1", "r-2", "r-3"]


def test_what_ended_long_ago_is_forgotten_with_its_retries(platform, there, tom):
    report(platform, failed(1), failed(2), failed(3))
    run(retry(the_case(platform), tom))
    report(platform, succeeded(1), succeeded(2))
    FailedRecord.objects.filter(external_id="r-1").update(ended_at=timezone.now() - FAILED_RECORDS - MINUTE)
    keeping.purge()
    assert states() == {"r-2": "succeeded", "r-3": "asked"} and Retry.objects.count() == 2
