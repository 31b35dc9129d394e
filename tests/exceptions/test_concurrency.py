"""Many at once, each in a transaction of its own: exact, and never in each other's way."""

import random
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from apps.core.errors import Refused
from apps.core.permissions import Role, Team
from apps.exceptions import operations
from apps.exceptions.lapses import wake_lapsed
from apps.exceptions.models import Case, State, Tally
from apps.exceptions.sweep import Swept, sweep, sweep_each
from apps.exceptions.types import Scope
from tests.exceptions.facts import FIX, HOLDS, LOOSE, drop, facts_of, put
from tests.factories import person
from tests.polling import eventually, somebody_waits_for_us

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("test_types")]

SUBJECTS = [f"subject {n}" for n in range(6)]


@pytest.fixture(autouse=True)
def no_facts(test_types, transactional_db):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM test_fact")


def together(*works) -> None:
    """Run each in a thread with its own connection; the first error of any is the test's."""

    def run(work) -> None:
        try:
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(run, work) for work in works]
        wait(futures)
    for future in futures:
        future.result()


def test_ten_sweeps_at_once_open_one_case_per_cause(entity):
    for subject in SUBJECTS:
        put(entity, subject)
    together(*[lambda: sweep(HOLDS, Scope(entity=entity))] * 10)
    assert sorted(Case.objects.values_list("subject", flat=True)) == SUBJECTS


def test_two_people_fix_the_same_case_once(entity, marta):
    ian = person(Role.FINANCE, entity)
    put(entity)
    sweep(HOLDS, Scope(entity=entity))
    case = Case.objects.get()
    asked = {"case": case, "action": FIX, "data": {"account": "5110"}}
    _, plan = operations.plan(**asked, actor=marta)
    outcomes = []

    def fix(actor):
        try:
            operations.perform(**asked, actor=actor, digest=plan.digest)
            outcomes.append("fixed")
        except Refused as refusal:
            outcomes.append(refusal.words)

    together(lambda: fix(marta), lambda: fix(ian))
    assert sorted(outcomes) == ["This exception is resolved already. Posted to 5110.", "fixed"]


def test_a_case_that_leaves_while_it_is_assigned_is_nobodys_in_its_new_team(entity, marta):
    """Whoever comes first, no person of the old team has it in the end, and the trail says what each found."""
    put(entity)
    sweep(HOLDS, Scope(entity=entity))
    case, ian = Case.objects.get(), person(Role.FINANCE, entity)
    outcomes = []

    def attempt(what, move):
        try:
            move()
            outcomes.append(what)
        except Refused as refusal:
            outcomes.append(refusal.code)

    together(
        lambda: attempt("left", lambda: operations.hand_over(case=case, actor=marta, team=Team.OPS, reason="A parcel")),
        lambda: attempt("assigned", lambda: operations.assign(case=case, actor=ian, to=ian)),
        lambda: attempt("claimed", lambda: operations.claim(case=case, actor=ian)),
    )
    case.refresh_from_db()
    handed_over = case.team == Team.OPS
    assert handed_over == ("left" in outcomes)
    if handed_over:
        assert (case.assigned_to, case.claimed_by, case.state) == (None, None, State.OPEN)
    else:  # she was too late: he was at it already
        assert case.claimed_by == ian


def test_a_claim_in_the_middle_of_a_sweep_waits_for_its_end(entity, marta):
    """The sweep holds the tally and will want the case: a claim with the case that wants the tally would deadlock."""
    for subject in ("alpha", "beta"):
        put(entity, subject)
    sweep(HOLDS, Scope(entity=entity))
    beta = Case.objects.get(subject="beta")

    def claim() -> None:
        operations.claim(case=beta, actor=marta)
        connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            for subject in ("alpha", "beta"):
                put(entity, subject, stake="900")
            sweep(HOLDS, Scope(entity=entity, subjects=frozenset({"alpha"})))
            claimed = pool.submit(claim)
            eventually(somebody_waits_for_us, "the claim to wait")
            sweep(HOLDS, Scope(entity=entity, subjects=frozenset({"beta"})))
        claimed.result()
    beta.refresh_from_db()
    assert (beta.state, beta.stake) == (State.CLAIMED, 900)


def test_whatever_happens_at_once_ends_as_a_full_sweep_would(entity, marta):
    def change_facts(seed: int) -> None:
        """As an ingest does: facts first, then their sweeps, in one transaction."""
        dice = random.Random(seed)
        for _ in range(15):
            subject = dice.choice(SUBJECTS)
            with transaction.atomic():
                for code in (HOLDS, LOOSE):
                    if dice.random() < 0.6:
                        put(entity, subject, code=code, stake=str(dice.randint(0, 10**6)))
                    else:
                        drop(entity, subject, code=code)
                scope = Scope(entity=entity, subjects=frozenset({subject}))
                sweep_each({LOOSE: scope, HOLDS: scope})

    def sweep_all() -> None:
        for _ in range(15):
            sweep_each({code: Scope(entity=entity) for code in (HOLDS, LOOSE)})

    def work_cases(seed: int) -> None:
        dice = random.Random(seed)
        soon = timezone.now() + timedelta(days=1)
        for _ in range(30):
            case = Case.objects.live().order_by("?").first()
            if case is None:
                continue
            asked = {"case": case, "actor": marta}
            with suppress(Refused):
                dice.choice(
                    (
                        lambda asked=asked: operations.claim(**asked),
                        lambda asked=asked: operations.release(**asked),
                        lambda asked=asked: operations.snooze(**asked, until=soon, reason="Later"),
                        wake_lapsed,
                    )
                )()

    together(lambda: change_facts(1), lambda: change_facts(2), lambda: work_cases(3), lambda: work_cases(4), sweep_all)
    for code in (HOLDS, LOOSE):
        assert set(Case.objects.live().filter(type=code).values_list("subject", flat=True)) == facts_of(entity, code)
        assert sweep(code, Scope(entity=entity)) == Swept()
    live = Case.objects.live()
    for state in (State.OPEN, State.CLAIMED, State.SNOOZED):
        counted = sum(Tally.objects.filter(state=state).values_list("cases", flat=True))
        assert counted == live.filter(state=state).count()
