"""A platform in front of a company, over real HTTP: what it reports, and what it answers to a retry."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from apps.core.models import Entity, User
from apps.core.permissions import Role
from apps.exceptions import operations as cases
from apps.exceptions.models import Case
from apps.integrations import jobs
from apps.integrations.models import Job
from apps.platforms import intake, operations
from apps.platforms.intake import CODE, Report
from apps.platforms.models import FailedRecord, Platform, Retry
from tests.factories import EntityFactory, person
from tests.integrations.scripted import Scripted

TEN = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NO_ITEM = "Item 'BF-OAKTRAY' not found in company 12"
RETRIES = "/hooks/retry"


@pytest.fixture
def entity(db) -> Entity:
    return EntityFactory(name="Brightfold Ltd")


@pytest.fixture
def tom(entity) -> User:
    return person(Role.OPS, entity, name="Tom Ashe")


@pytest.fixture
def ian(entity) -> User:
    return person(Role.ADMIN, entity, name="Ian Grove")


@pytest.fixture
def there(settings) -> Iterator[Scripted]:
    """The platform's own web server; it takes each retry."""
    settings.WEBHOOKS_TO_PRIVATE = True
    with Scripted() as server:
        server.says(RETRIES, (202, {"accepted": True}))
        yield server


@pytest.fixture
def platform(entity, ian, there) -> Platform:
    address = f"{there.url}{RETRIES}"
    made, _ = operations.connect(entity=entity, name="Patchwork", address=address, token="theirs", actor=ian)
    return made


def failed(number: int, **said: Any) -> Report:
    usual = {
        "status": "failed",
        "at": TEN + number * MINUTE,
        "flow": "orders → ERP",
        "about": f"order 203-{number:07d}",
        "code": "ITEM",
        "text": NO_ITEM.replace("12", str(number)),
        "link": f"https://platform.example/runs/{number}",
        "amount": Decimal("10.00"),
        "currency": "GBP",
    }
    return Report(id=f"r-{number}", **usual | said)


def succeeded(number: int, **said: Any) -> Report:
    return Report(id=f"r-{number}", **{"status": "succeeded", "at": timezone.now()} | said)


def report(platform: Platform, *reports: Report) -> list[str]:
    return intake.take(platform=platform, reports=reports)


def the_case(platform: Platform) -> Case:
    return Case.objects.live().get(type=CODE, entity=platform.connection.entity)


def retry(case: Case, actor: User) -> Job:
    """As a person does it: preview, then the button. Nothing has left yet."""
    do(case, actor, "retry")
    return Job.objects.filter(kind=operations.SEND).latest("pk")


def do(case: Case, actor: User, name: str, **data: str) -> cases.Outcome:
    action = cases.find_action(case, name)
    _, plan = cases.plan(case=case, action=action, actor=actor, data=data)
    return cases.perform(case=case, action=action, actor=actor, data=data, digest=plan.digest)


def run(job: Job) -> Job:
    jobs.run(job.pk, jobs.runner_name())
    job.refresh_from_db()
    return job


def again(job: Job) -> Job:
    """Once the time of its next try has come."""
    Job.objects.filter(pk=job.pk).update(not_before=timezone.now())
    return run(job)


def states() -> dict[str, str]:
    return dict(FailedRecord.objects.order_by("external_id").values_list("external_id", "state"))


def retries() -> list[tuple[str, str]]:
    return list(Retry.objects.order_by("pk").values_list("key", "state"))


def at_once(work: Callable[[int], Any], many: int) -> list[Any]:
    """What each of several beside each other got, with database connections of their own."""

    def closing(number: int) -> Any:
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(many) as pool:
        return list(pool.map(closing, range(many)))
