"""Every declared exception type is whole: listed, owned, shown, explained, and seen to open and to clear."""

import pytest
from django.conf import settings
from django.template.loader import get_template

from apps.core.permissions import Team
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.sweep import sweep
from apps.exceptions.types import REGISTRY, ExceptionType, Scope, register
from apps.integrations.feeds import FEEDS
from tests.exceptions.cases_by_type import OPENS_AND_CLEARS
from tests.factories import EntityFactory

LIST = settings.BASE_DIR.parent / "shared" / "design" / "exceptions.psv"

every_type = pytest.mark.parametrize("kind", REGISTRY.values(), ids=lambda kind: kind.code)


@pytest.fixture(scope="module")
def listed() -> dict[str, list[str]]:
    """{code: [code, team, default diagnosis, ...]}"""
    if not LIST.exists():
        pytest.skip("the list of exceptions is not beside this checkout")
    rows = [line.split("|") for line in LIST.read_text().splitlines()[1:]]
    return {row[0]: row for row in rows}


def test_a_code_is_declared_once():
    kind = next(iter(REGISTRY.values()))
    with pytest.raises(ValueError, match="declared twice"):
        register(kind)


@every_type
def test_it_is_listed_with_its_team_and_diagnosis(kind: ExceptionType, listed):
    assert kind.code in listed
    _, team, diagnosis, *_ = listed[kind.code]
    assert (kind.team, Diagnosis(kind.diagnosis).label.lower()) == (Team(team), diagnosis)


@every_type
def test_its_panel_and_previews_load(kind: ExceptionType):
    get_template(kind.panel)
    for action in kind.actions:
        get_template(action.template)


@every_type
def test_its_runbook_is_complete(kind: ExceptionType):
    runbook = kind.runbook
    for words in (kind.title, runbook.impact, runbook.prevention, runbook.escalate, *runbook.steps):
        assert words.strip()
    assert runbook.steps


@every_type
def test_it_ranks_and_has_a_deadline(kind: ExceptionType):
    assert kind.floor > 0
    assert kind.respond_within.total_seconds() > 0


@every_type
def test_its_actions_differ_in_name_and_clear_types_that_exist(kind: ExceptionType):
    names = [action.name for action in kind.actions]
    assert len(set(names)) == len(names)
    assert {code for action in kind.actions for code in action.clears} <= REGISTRY.keys()


def test_feeds_open_types_that_exist():
    assert {code for feed in FEEDS.values() for code in feed.opens} <= REGISTRY.keys()


def test_every_type_has_a_cause_to_show():
    assert {cause.split()[0] for cause in OPENS_AND_CLEARS} == REGISTRY.keys()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("cause", OPENS_AND_CLEARS)
def test_its_cause_opens_one_case_and_its_end_clears_it(cause):
    entity, code = EntityFactory(), cause.split()[0]
    opens, clears = OPENS_AND_CLEARS[cause]
    live = Case.objects.live().filter(type=code, entity=entity)
    opens(entity)
    sweep(code, Scope(entity=entity))
    case = live.get()
    assert case.kind.headline(case)
    clears(entity)
    sweep(code, Scope(entity=entity))
    assert not live.exists()
