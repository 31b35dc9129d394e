"""Whatever goes wrong is told in one shape, with words that help."""

import pytest
from django.conf import settings

from apps.core.permissions import Role
from tests.api.conftest import PREFIX, Program
from tests.console.conftest import Company

PROBLEM = "application/problem+json"


@pytest.fixture
def program(ours: Company) -> Program:
    return Program(ours.people[Role.FINANCE])


def problem(answer, status: int, code: str) -> dict:
    assert (answer.status_code, answer["Content-Type"]) == (status, PROBLEM), answer.content
    said = answer.json()
    assert (said["status"], said["code"]) == (status, code)
    assert said["title"] and said["detail"] and isinstance(said["fields"], dict)
    return said


def test_every_error_has_one_shape(program: Program, ours: Company):
    claim = f"cases/{ours.fee_case.pk}/claim/"
    problem(program.get("nothing/here/"), 404, "not-found")
    assert "slash" in problem(program.get("cases"), 404, "not-found")["detail"]
    problem(program.get("cases/99999999999999999999/"), 404, "not-found")
    problem(program.get(f"cases/{10**18 - 1}/"), 404, "not-found")
    problem(program.post("cases/"), 405, "method-not-allowed")
    problem(program.post(claim, b"{", content_type="application/json"), 400, "parse-error")
    problem(program.post(claim, b"[" * 100_000, content_type="application/json"), 400, "parse-error")
    problem(program.post(claim, b'"' + b"x" * 1_100_000 + b'"', content_type="application/json"), 413, "too-large")
    problem(program.post(claim, b"a=b", content_type="text/csv"), 415, "unsupported-media-type")
    headers = {"Authorization": f"Bearer {program.token}", "Accept": "text/xml"}
    problem(program.client.get(f"{PREFIX}/cases/", headers=headers), 406, "not-acceptable")


def test_what_the_address_misspells_is_refused(program: Program):
    said = problem(program.get("cases/", enitty=1), 422, "invalid")
    assert "entity" in said["fields"]["enitty"][0]
    assert "limit" in problem(program.get("cases/", limit=0), 422, "invalid")["fields"]
    assert "cursor" in problem(program.get("cases/", cursor="made-up"), 422, "refused")["fields"]
    assert "month" in problem(program.get("journals/", month="2026-13"), 422, "invalid")["fields"]


def test_a_fault_stands_beside_its_field(program: Program, ours: Company):
    snooze = f"cases/{ours.fee_case.pk}/snooze/"
    assert set(problem(program.post(snooze, {"until": "soon"}), 422, "invalid")["fields"]) == {"until", "reason"}
    late = {"until": "2020-01-01T09:00:00Z", "reason": "later"}
    assert problem(program.post(snooze, late), 422, "refused")["fields"] == {
        "until": ["Choose a time that is still to come."]
    }
    nul = problem(program.post(f"cases/{ours.fee_case.pk}/note/", {"text": "\0"}), 422, "invalid")
    assert "Null" in nul["fields"]["text"][0]
    lone = program.post(f"cases/{ours.fee_case.pk}/note/", b'{"text": "\\ud800"}', content_type="application/json")
    problem(lone, 400, "parse-error")
    odd = problem(program.post(f"cases/{ours.fee_case.pk}/actions/map-fee/preview/", {"data": {"account": {}}}), 422, "invalid")
    assert "data.account" in odd["fields"]


def test_a_denial_says_who_can(ours: Company):
    said = problem(Program(ours.people[Role.VIEWER]).post(f"cases/{ours.fee_case.pk}/claim/"), 403, "not-allowed")
    assert said["detail"] == "Your role cannot work on Finance exceptions. Finance 1 can."


def test_a_fault_of_ours_is_told_without_its_cause(program: Program, monkeypatch):
    def broken(self, user):
        raise RuntimeError("password=1234")

    monkeypatch.setattr("apps.api.orders.Orders.visible", broken)
    answer = program.get("orders/")
    problem(answer, 500, "internal")
    assert b"1234" not in answer.content


def test_too_many_requests_say_how_long_to_wait(program: Program, ours: Company, monkeypatch):
    monkeypatch.setattr(settings, "API_PER_MINUTE", {"read": 2, "write": 1})
    monkeypatch.setattr("apps.api.throttles.time.time", lambda: 60_000_010.0)
    assert [program.get("cases/").status_code for _ in range(3)] == [200, 200, 429]
    answer = program.get("cases/")
    problem(answer, 429, "throttled")
    assert answer["Retry-After"] == "50"
    assert program.post(f"cases/{ours.fee_case.pk}/claim/").status_code == 200  # writes are counted apart
    assert Program(ours.people[Role.ADMIN]).get("cases/").status_code == 200  # and each person


def test_nobody_is_turned_away_while_the_broker_is_away(program: Program, settings):
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}}
    assert program.get("cases/").status_code == 200
