"""Silence is not recovery: while a type does not trust what it reads, its cases open and change, but none ends."""

from dataclasses import replace

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.operations import dismiss
from apps.exceptions.sweep import DetectorFailed, sweep
from apps.exceptions.types import REGISTRY, Scope
from tests.exceptions.facts import HOLDS, LOOSE, drop, facts_of, put
from tests.factories import EntityFactory, person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("test_types")]

SILENT = "test.silent"
SUBJECTS = ("alpha", "beta", "gamma")


@pytest.fixture(autouse=True)
def depends_on_a_feed(test_types, monkeypatch):
    """The types trust what they read unless the company has a fact that says its feed is silent."""
    for code in (HOLDS, LOOSE):
        kind = replace(REGISTRY[code], doubts=lambda entity: {"": "Its feed is silent."} if facts_of(entity, SILENT) else {})
        monkeypatch.setitem(REGISTRY, code, kind)


def live(entity) -> set[str]:
    return set(Case.objects.live().filter(entity=entity).values_list("subject", flat=True))


steps = st.tuples(st.sampled_from(("put", "drop", "falls silent", "speaks")), st.sampled_from(SUBJECTS), st.booleans())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(history=st.lists(steps, min_size=4, max_size=20))
def test_no_case_ends_while_its_feed_is_silent(history):
    with transaction.atomic():
        entity = EntityFactory()
        for step, subject, everything in history:
            before = live(entity)
            if step == "put":
                put(entity, subject)
            elif step == "drop":
                drop(entity, subject)
            elif step == "falls silent":
                put(entity, code=SILENT)
            else:
                drop(entity, code=SILENT)
            sweep(HOLDS, Scope(entity=entity, subjects=None if everything else frozenset({subject})))
            if facts_of(entity, SILENT):
                assert before <= live(entity)
        drop(entity, code=SILENT)
        sweep(HOLDS, Scope(entity=entity))
        assert live(entity) == facts_of(entity, HOLDS)
        transaction.set_rollback(True)


def test_a_dismissal_is_not_forgotten_either():
    entity = EntityFactory()
    put(entity, code=LOOSE)
    sweep(LOOSE, Scope(entity=entity))
    dismiss(case=Case.objects.get(), actor=person(Role.FINANCE, entity), reason="Known")
    put(entity, code=SILENT)
    drop(entity, code=LOOSE)
    sweep(LOOSE, Scope(entity=entity))
    drop(entity, code=SILENT)
    put(entity, code=LOOSE)
    sweep(LOOSE, Scope(entity=entity))
    assert live(entity) == set()


def test_what_cannot_say_whether_it_trusts_clears_nothing(monkeypatch):
    entity = EntityFactory()
    put(entity)
    sweep(HOLDS, Scope(entity=entity))
    drop(entity)
    monkeypatch.setitem(REGISTRY, HOLDS, replace(REGISTRY[HOLDS], doubts=lambda entity: 1 / 0))
    with pytest.raises(DetectorFailed):
        sweep(HOLDS, Scope(entity=entity))
    assert live(entity) == {"alpha"}
