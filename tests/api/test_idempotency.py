"""A write that is sent again is answered again, and done once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.utils import timezone

from apps.api import idempotency
from apps.api.models import AnsweredWrite
from apps.core.locks import wait_for
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from tests.api.conftest import Program
from tests.console.conftest import Company


@pytest.fixture
def program(ours: Company) -> Program:
    return Program(ours.people[Role.FINANCE])


@pytest.fixture
def note(ours: Company) -> str:
    return f"cases/{ours.fee_case.pk}/note/"


def notes() -> int:
    return AuditEntry.objects.filter(verb="case.noted").count()


def test_the_same_request_is_done_once(program: Program, note: str):
    first, again = (program.post(note, {"text": "seen"}, key="one") for _ in range(2))
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert "Idempotent-Replayed" not in first and again["Idempotent-Replayed"] == "true"
    assert notes() == 1


def test_another_request_needs_another_key(program: Program, note: str):
    program.post(note, {"text": "seen"}, key="one")
    answer = program.post(note, {"text": "seen twice"}, key="one")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert notes() == 1


def test_a_key_is_one_persons(program: Program, note: str, ours: Company):
    program.post(note, {"text": "seen"}, key="one")
    theirs = Program(ours.people[Role.ADMIN]).post(note, {"text": "seen"}, key="one")
    assert theirs.status_code == 403


def test_what_was_refused_may_be_sent_again(program: Program, note: str):
    assert program.post(note, {"text": " "}, key="one").status_code == 422
    assert program.post(note, {"text": "seen"}, key="one").status_code == 200


@pytest.mark.parametrize("key", ["", "x" * 201, "ä"])
def test_a_write_without_a_key_is_not_done(program: Program, note: str, key: str):
    headers = {"Authorization": f"Bearer {program.token}"} | ({"Idempotency-Key": key} if key else {})
    answer = program.client.post(f"/api/v1/{note}", {"text": "seen"}, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-missing")
    assert notes() == 0


def test_while_it_is_under_way_the_second_one_waits_outside(program: Program, note: str):
    with transaction.atomic():
        wait_for(f"api write {program.user.pk} one")  # as the first request does

        def send():
            try:
                return program.post(note, {"text": "seen"}, key="one")
            finally:
                connections.close_all()

        with ThreadPoolExecutor(1) as apart:
            answer = apart.submit(send).result()
    assert (answer.status_code, answer.json()["code"]) == (409, "in-flight")
    assert notes() == 0


def test_many_at_once_are_done_once(program: Program, note: str):
    def send(_: int):
        try:
            return program.post(note, {"text": "seen"}, key="one").status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as senders:
        answers = list(senders.map(send, range(8)))
    assert set(answers) <= {200, 409} and 200 in answers
    assert notes() == 1


def test_no_answer_is_kept_of_what_was_not_done(program: Program, note: str, monkeypatch):
    monkeypatch.setattr(AnsweredWrite.objects, "create", lambda **_: 1 / 0)
    assert program.post(note, {"text": "seen"}, key="one").status_code == 500
    assert notes() == 0  # the effect went with it


def test_answers_are_forgotten_after_a_week(program: Program, note: str):
    program.post(note, {"text": "seen"}, key="one")
    assert idempotency.forget() == 0
    AnsweredWrite.objects.update(answered_at=timezone.now() - timedelta(days=8))
    assert idempotency.forget() == 1
