"""The intake by HTTP: the platform's own key, one error shape, faults by place and field, and nothing but the named fields."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.platforms import operations
from apps.platforms.models import FailedRecord, Platform
from tests.api.conftest import PREFIX, Program
from tests.factories import EntityFactory, person

pytestmark = pytest.mark.django_db(transaction=True)

RECORD = {
    "id": "run-1",
    "status": "failed",
    "at": "2026-11-20T10:00:00Z",
    "flow": "orders → ERP",
    "about": "order 203-1",
    "text": "Item 'X' not found",
    "amount": "24.99",
    "currency": "GBP",
}


@pytest.fixture
def ian():
    return person(Role.ADMIN, EntityFactory())


@pytest.fixture
def key(ian) -> str:
    return operations.connect(entity=ian.memberships.get().entity, name="Patchwork", address="", token="", actor=ian)[1]


def post(key: str, *records: dict[str, Any], **body: Any):
    headers = {"Authorization": f"Bearer {key}"}
    return Client().post(f"{PREFIX}/intake/", {"records": records} | body, "application/json", headers=headers)


def test_records_come_in_once_and_open_a_case(key: str):
    second = RECORD | {"id": "run-2", "text": "Item 'Y' not found"}
    answer = post(key, RECORD, second)
    told = [{"id": "run-1", "outcome": "new"}, {"id": "run-2", "outcome": "new"}]
    assert (answer.status_code, answer.json()) == (200, {"open": 2, "records": told})
    assert post(key, RECORD).json()["records"] == [{"id": "run-1", "outcome": "unchanged"}]
    case = Case.objects.live().get()
    assert (case.lines, str(case.stake), case.team) == (2, "49.9800", "ops")
    well = {"status": "succeeded", "at": timezone.now().isoformat()}
    assert post(key, {"id": "run-1"} | well, {"id": "run-2"} | well).json()["open"] == 0
    case.refresh_from_db()
    assert case.state == "cleared"


def test_an_empty_call_says_that_it_is_there(key: str):
    assert post(key).json() == {"open": 0, "records": []}
    assert timezone.now() - Platform.objects.get().posted_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"buyer_name": "Anna Smith"}, "buyer_name"),
        ({"flow": ""}, "flow"),
        ({"text": None}, "text"),
        ({"status": "lost"}, "status"),
        ({"at": "yesterday"}, "at"),
        ({"at": "2026-11-20T10:00:00"}, "at"),
        ({"at": "2999-01-01T00:00:00Z"}, "at"),
        ({"at": "0001-01-01T00:00:00Z"}, "at"),
        ({"id": "x" * 121}, "id"),
        ({"link": "javascript:alert(1)"}, "link"),
        ({"link": "ftp://platform.example/1"}, "link"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "1.999"}, "amount"),
        ({"amount": "1.5", "currency": "JPY"}, "amount"),
        ({"amount": None}, "currency"),
        ({"currency": ""}, "currency"),
        ({"currency": "pounds"}, "currency"),
    ],
)
def test_a_fault_is_named_by_place_and_field_and_nothing_is_taken(key: str, change: dict, field: str):
    answer = post(key, RECORD, RECORD | {"id": "run-2"} | change)
    body = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    assert list(body["fields"]) == [f"records.1.{field}"], body
    assert "Anna" not in answer.content.decode()
    assert not FailedRecord.objects.exists()


def test_who_has_no_key_of_a_platform_is_told_so(key: str, ian):
    for wrong in ("", "ocp_guessed", Program(ian).token):
        answer = post(wrong, RECORD)
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert Client().get(f"{PREFIX}/cases/", headers={"Authorization": f"Bearer {key}"}).status_code == 401
    assert not FailedRecord.objects.exists()


def test_the_key_before_opens_nothing_any_more(key: str, ian):
    clear = operations.change_key(platform=Platform.objects.get(), actor=ian)
    assert post(key, RECORD).status_code == 401
    assert post(clear, RECORD).status_code == 200
    assert clear not in str(list(Platform.objects.values())) and key not in str(list(Platform.objects.values()))


def test_a_platform_that_calls_too_often_is_told_to_wait(key: str, settings):
    settings.API_PER_MINUTE = {"read": 1, "write": 1}
    answers = [post(key, RECORD) for _ in range(3)]  # at the most two minutes begin meanwhile
    assert answers[-1].status_code == 429 and int(answers[-1]["Retry-After"]) > 0
