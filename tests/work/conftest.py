from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from apps.core.models import Entity, User
from apps.core.permissions import MAP_FEES, Role, Team
from apps.exceptions.forms import NoForm
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import REGISTRY, Action, ExceptionType, Plan, Runbook
from apps.work.alerts.channels import add_channel
from apps.work.alerts.models import Channel
from tests.exceptions.conftest import fact_table, test_types  # noqa: F401  the plain types of the engine’s own tests
from tests.factories import CaseFactory, EntityFactory, person

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)  # a Wednesday, in London too
HOUR = timedelta(hours=1)


def kind(code: str, title: str) -> ExceptionType:
    def act(name: str) -> Action:
        return Action(
            name=name,
            label=f"{name.capitalize()} it",
            permission=MAP_FEES,
            form=NoForm,
            preview=lambda case, actor, cleaned: Plan(effect="", says="", digest=""),
            run=lambda case, actor, cleaned: "",
        )

    return ExceptionType(
        code=code,
        title=title,
        team=Team.FINANCE,
        diagnosis=Diagnosis.STRUCTURAL,
        holds_back=True,
        floor=Decimal(1),
        respond_within=timedelta(days=2),
        detect=lambda scope: iter(()),
        headline=lambda case: f"{title}: {case.subject}",
        runbook=Runbook(impact="Payouts wait.", steps=("Map it.",), prevention="None.", escalate="Ask the tax adviser."),
        panel="cases/plan.html",
        actions=(act("ignore"), act("map")),
        recommends=lambda case: ("map", "It always fits."),
    )


@pytest.fixture
def types(monkeypatch) -> None:
    for code, title in (("alert.fee", "Fee types unmapped"), ("alert.tax", "Tax codes unmapped")):
        monkeypatch.setitem(REGISTRY, code, kind(code, title))


@pytest.fixture
def entity(db) -> Entity:
    return EntityFactory(name="Brightfold Ltd")


@pytest.fixture
def marta(entity) -> User:
    return person(Role.FINANCE, entity, name="Marta Lis", email="marta@brightfold.example")


@pytest.fixture
def opened(entity, types) -> Callable[..., Case]:
    """`opened(HOUR)`: a case of finance, worth £2,000, an hour after noon."""

    def make(after: timedelta = HOUR, **values) -> Case:
        usual = {
            "type": "alert.fee", "opened_at": NOON + after, "due_at": NOON + timedelta(days=3), "stake": 2000, "worth": 2000,
            "state": "open",
        }  # fmt: skip
        return CaseFactory(entity=entity, **usual | values)

    return make


@pytest.fixture
def channel(entity, marta, types) -> Channel:
    """Finance by e-mail, from high up, since noon."""
    added = add_channel(
        entity=entity, team=Team.FINANCE, name="Finance", kind="email", address="finance@brightfold.example", actor=marta
    )
    Channel.objects.filter(pk=added.pk).update(watched_from=NOON)
    added.refresh_from_db()
    return added
