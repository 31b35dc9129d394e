"""After any history, the live cases are what a full sweep would leave."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from apps.core.errors import Refused
from apps.core.permissions import Role, Team
from apps.exceptions import operations
from apps.exceptions.lapses import wake_lapsed
from apps.exceptions.models import Case, State, Tally
from apps.exceptions.sweep import Swept, sweep
from apps.exceptions.types import Scope
from tests.exceptions.facts import FIX, HOLDS, LOOSE, drop, facts_of, put
from tests.factories import EntityFactory, person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("test_types")]

MOVES = ("drop", "claim", "assign", "release", "snooze", "dismiss", "hand over", "fix", "lapse")
CAUSES = tuple(product((HOLDS, LOOSE), ("alpha", "beta")))
causes = st.sampled_from(CAUSES)
facts = st.fixed_dictionaries(
    {
        "stake": st.decimals(min_value=0, max_value=10**6, places=4),
        "currency": st.sampled_from(("GBP", "EUR")),
        "lines": st.integers(0, 9),
        "due_at": st.sampled_from((None, datetime(2026, 11, 13, 17, 0, tzinfo=UTC))),
    }
)
steps = st.one_of(
    st.tuples(st.just("put"), causes, facts),
    st.tuples(st.sampled_from(MOVES), causes, st.none()),
)


class World:
    """One company with a case of each cause, and a person of each team who works them."""

    def __init__(self) -> None:
        self.entity = EntityFactory()
        for code, subject in CAUSES:
            put(self.entity, subject, code=code)
            sweep(code, Scope(entity=self.entity, subjects=frozenset({subject})))
        self.people = {team: person(Role(team.value), self.entity) for team in Team}

    def take(self, step: str, cause: tuple[str, str], fact: dict | None) -> None:
        code, subject = cause
        if step == "lapse":
            past = timezone.now() - timedelta(days=1)
            Case.objects.filter(state=State.CLAIMED).update(claimed_until=past)
            Case.objects.filter(state=State.SNOOZED).update(snoozed_until=past)
            wake_lapsed()
        elif step in ("put", "drop"):
            if step == "put":
                put(self.entity, subject, code=code, **fact)
            else:
                drop(self.entity, subject, code=code)
            sweep(code, Scope(entity=self.entity, subjects=frozenset({subject})))
        else:
            case = Case.objects.live().filter(type=code, subject=subject).first()
            if case:
                with suppress(Refused):  # what the rules forbid does not happen, in whatever state the case is
                    self.move(step, case)
                    event(f"{step}: a case that was {case.state}")

    def move(self, step: str, case: Case) -> None:
        actor = self.people[Team(case.team)]
        asked = {"case": case, "actor": actor}
        if step == "claim":
            operations.claim(**asked)
        elif step == "assign":
            operations.assign(**asked, to=actor)
        elif step == "release":
            operations.release(**asked)
        elif step == "snooze":
            operations.snooze(**asked, until=timezone.now() + timedelta(days=1), reason="Later")
        elif step == "dismiss":
            operations.dismiss(**asked, reason="Known")
        elif step == "hand over":
            operations.hand_over(**asked, team=Team.OPS, reason="Theirs")
        else:
            asked = {"case": case, "action": FIX, "actor": self.people[Team.FINANCE], "data": {"account": "5110"}}
            _, plan = operations.plan(**asked)
            operations.perform(**asked, digest=plan.digest)


def table() -> list[tuple]:
    """All cases, and where each row lies: an UPDATE moves a row even if it changes nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT c.ctid::text, c.* FROM exceptions_case c ORDER BY id")
        return cursor.fetchall()


def live(code: str) -> set[str]:
    return set(Case.objects.live().filter(type=code).values_list("subject", flat=True))


def dismissed_now(code: str) -> set[str]:
    """Subjects whose newest case is dismissed, with a cause that never went away."""
    newest = Case.objects.filter(type=code).order_by("subject", "-id").distinct("subject")
    return {case.subject for case in newest if case.state == State.DISMISSED and "gone_at" not in case.ending}


def counted() -> set[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT entity_id, team, type, state, diagnosis, currency, assigned_to_id IS NOT NULL, count(*), sum(stake)"
            " FROM exceptions_case WHERE state IN ('open', 'claimed', 'snoozed') GROUP BY 1, 2, 3, 4, 5, 6, 7"
        )
        return set(cursor.fetchall())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(history=st.lists(steps, min_size=5, max_size=25))
def test_scoped_sweeps_after_any_history_equal_a_full_sweep(history):
    with transaction.atomic():
        world = World()
        for step in history:
            world.take(*step)
        before = table()
        for code in (HOLDS, LOOSE):
            assert live(code) | dismissed_now(code) == facts_of(world.entity, code)
            assert sweep(code, Scope(entity=world.entity)) == Swept()
        assert table() == before
        tally = Tally.objects.exclude(cases=0).values_list(
            "entity_id", "team", "type", "state", "diagnosis", "currency", "assigned", "cases", "stake"
        )
        assert set(tally) == counted()
        assert not Tally.objects.filter(cases=0).exclude(stake=0).exists()
        transaction.set_rollback(True)
