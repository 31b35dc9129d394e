"""What a failed call means, and how long it waits: pure rules, and evidence that a person can follow."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.integrations.rules import FIRST_WAIT, JITTER, LONGEST_WAIT, MOST_TRIES, NEAR, Failure, reasons, verdict, wait

AT = datetime(2026, 11, 12, 9, 42, 7, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def failure(kind: str, **said) -> Failure:
    return Failure(**{"kind": kind, "words": "It answered so.", "at": AT, "operation": "getThings", "status": 400} | said)


@pytest.mark.parametrize(
    ("failed", "judged"),
    [
        (failure("transient", status=503), "transient"),
        (failure("transient", status=429, attempts=MOST_TRIES), "transient"),
        (failure("transient", status=503, worked_at=AT, elsewhere=9), "transient"),
        (failure("permanent"), "structural"),
        (failure("permanent", beside=3), "structural"),
        (failure("permanent", worked_at=AT - NEAR - SECOND), "structural"),
        (failure("permanent", worked_at=AT - NEAR), "unknown"),
        (failure("permanent", worked_at=AT + 30 * SECOND), "unknown"),
        (failure("permanent", elsewhere=1), "unknown"),
        (failure("config", status=403), "structural"),
        (failure("config", status=403, worked_at=AT), "unknown"),
        (failure("refused", worked_at=AT), "structural"),
        (failure("internal"), "unknown"),
    ],
)
def test_the_verdict_follows_the_evidence(failed, judged):
    assert verdict(failed) == judged


def test_evidence_is_told_for_and_against():
    failed = failure("permanent", code="InvalidInput", request_id="b7e1", worked_at=AT - 20 * SECOND, beside=1, elsewhere=2)
    assert [(reason.words, reason.supports) for reason in reasons(failed)] == [
        ("getThings answered 400 InvalidInput at 12 Nov 09:42:07 UTC, request id b7e1: It answered so.", True),
        ("The same call worked within that minute, at 12 Nov 09:41:47 UTC.", False),
        ("1 other call of this connection failed in the minute before it.", True),
        ("2 other calls to it, of other connections, failed alike in the minute before it.", False),
    ]


def test_no_answer_is_said_so():
    said = [reason.words for reason in reasons(failure("transient", status=None, attempts=3))]
    assert said[0].startswith("getThings gave no answer at 12 Nov 09:42:07 UTC")
    assert said[1] == f"It failed 3 times in a row; {MOST_TRIES} tries are made."
    assert said[2] == "No other call failed in the minute before it."


failures = st.builds(
    Failure,
    kind=st.sampled_from(("transient", "permanent", "config", "refused", "internal")),
    words=st.text(max_size=20),
    at=st.datetimes(timezones=st.just(UTC)),
    status=st.none() | st.integers(100, 599),
    code=st.text(max_size=5),
    attempts=st.integers(1, 20),
    beside=st.integers(0, 5),
    elsewhere=st.integers(0, 5),
    worked_at=st.none() | st.datetimes(timezones=st.just(UTC)),
)


@given(failures)
def test_it_is_kept_and_read_again_as_it_was(failed):
    assert Failure.of_json(failed.as_json()) == failed
    assert reasons(failed)


@given(st.integers(1, MOST_TRIES), st.none() | st.timedeltas(timedelta(), timedelta(days=1)), st.floats(0, 1))
def test_a_wait_doubles_has_bounds_and_honours_what_the_source_asks(tries, retry_after, jitter):
    waits = wait(tries, retry_after, jitter)
    assert waits >= (retry_after or timedelta())
    assert waits >= min(FIRST_WAIT * 2 ** (tries - 1), LONGEST_WAIT)
    assert waits <= max(LONGEST_WAIT * (1 + JITTER), retry_after or timedelta())
    assert wait(tries + 1, None, 0) >= wait(tries, None, 0)
