"""The audit trail in words: what was done, and of its values those that changed."""

import pytest

from apps.core.models import AuditEntry
from apps.core.permissions import Role
from tests.console.conftest import signed_in
from tests.factories import EntityFactory, person

pytestmark = pytest.mark.django_db


def test_an_entry_says_what_was_done_and_shows_only_what_changed():
    entity = EntityFactory()
    priya = person(Role.FINANCE, entity, name="Priya Nair")
    AuditEntry.objects.record(
        actor=priya,
        entity=entity,
        verb="case.handed-over",
        subject="case:12",
        before={"team": "finance", "score": 1},
        after={"team": "ops", "score": 1},
        reason="The warehouse knows",
    )
    words = signed_in(priya).get("/audit/").content.decode()
    assert "Handed it from Finance to Operations. The warehouse knows" in words
    assert "<dt>Team</dt><dd>finance → ops</dd>" in words
    assert "Score" not in words
