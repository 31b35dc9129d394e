"""What was opened, what ended and how, and what was at stake: from the cases and the audit trail, day by day, queue by queue."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from django.db import connection

from apps.core.models import AuditEntry
from apps.core.permissions import Role, Team
from apps.exceptions import operations
from apps.exceptions.models import Case, State
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.work.flow import Flow, flows
from apps.work.models import StakeMove, StakesKept
from apps.work.periods import PERIODS
from apps.work.stakes import at_stake, keep
from tests.exceptions.facts import HOLDS, LOOSE, drop, put
from tests.factories import CaseFactory, EntityFactory, person

NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)  # a Wednesday
DAYS, WEEKS = PERIODS["4"], PERIODS["13"]
FINANCE, ECOMMERCE = Team.FINANCE, Team.ECOMMERCE
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def ended(entity, state: State, at: datetime, took: timedelta, **values) -> Case:
    return CaseFactory(entity=entity, state=state, opened_at=at - took, ended_at=at, **values)


def test_days_are_those_of_the_company_and_ends_are_told_apart(entity):
    midnight = datetime(2026, 11, 17, 0, 0, tzinfo=UTC)  # in London
    first = ended(entity, State.CLEARED, midnight - HOUR, HOUR)
    ended(entity, State.CLEARED, midnight, 3 * HOUR)
    ended(entity, State.RESOLVED, midnight + HOUR, 4 * DAY)
    ended(entity, State.DISMISSED, NOW, DAY, holds_back=False)
    CaseFactory(entity=entity, opened_at=NOW, earlier=first)
    found = flows([(entity, FINANCE)], DAYS, NOW)
    assert (min(found.by_cut), max(found.by_cut)) == (date(2026, 10, 22), date(2026, 11, 18))
    assert found.by_cut[date(2026, 11, 16)] == Flow(opened=2, healed=1, median_healed=HOUR)
    tuesday = found.by_cut[date(2026, 11, 17)]
    assert (tuesday.fixed, tuesday.healed, tuesday.median_fixed) == (1, 1, 4 * DAY)
    assert found.by_cut[date(2026, 11, 18)] == Flow(opened=1, came_back=1, dismissed=1)
    assert (found.whole.opened, found.whole.ended, found.whole.share_healed) == (5, 4, 50)
    assert found.whole.median_healed == 2 * HOUR
    elsewhere = EntityFactory(zone="Asia/Tokyo")
    ended(elsewhere, State.CLEARED, midnight - HOUR, HOUR)  # eight on the 17th, there
    assert flows([(elsewhere, FINANCE)], DAYS, NOW).by_cut[date(2026, 11, 17)].healed == 1
    (monday,) = [cut for cut, flow in flows([(entity, FINANCE)], WEEKS, NOW).by_cut.items() if flow.ended]
    assert monday == date(2026, 11, 16)


def test_only_the_queues_asked_for_count_and_only_the_type(entity):
    ended(entity, State.CLEARED, NOW - HOUR, HOUR, type="test.loose")
    ended(entity, State.CLEARED, NOW - HOUR, HOUR, team=ECOMMERCE)
    ended(EntityFactory(), State.CLEARED, NOW - HOUR, HOUR)
    ended(entity, State.CLEARED, NOW - 40 * DAY, HOUR)
    assert flows([(entity, FINANCE)], DAYS, NOW).whole.ended == 1
    assert flows([(entity, FINANCE), (entity, ECOMMERCE)], DAYS, NOW).whole.ended == 2
    assert flows([(entity, FINANCE), (entity, ECOMMERCE)], DAYS, NOW, "test.loose").whole.ended == 1
    assert flows([], DAYS, NOW).whole == Flow() and at_stake([], DAYS, NOW) == []


@pytest.mark.usefixtures("test_types")
def test_whatever_happens_to_cases_nothing_was_at_stake_before_it(entity):
    """All of it happens now, so that what is live less what moved must be nothing yesterday, for each team and currency."""
    people = {team: person(Role(team.value), entity) for team in Team}
    for subject, stake in (("alpha", "100"), ("beta", "7.25"), ("gamma", "40")):
        put(entity, subject, stake=stake)
    put(entity, "delta", code=LOOSE, stake="9")
    look = [sweep(code, Scope(entity=entity)) for code in (HOLDS, LOOSE)]
    assert sum(each.opened for each in look) == 4
    put(entity, "alpha", stake="250.5", currency="EUR")
    sweep(HOLDS, Scope(entity=entity))
    for subject, there_and_back in (("alpha", False), ("beta", True), ("gamma", False)):
        case = Case.objects.get(subject=subject)
        operations.hand_over(case=case, actor=people[FINANCE], team=ECOMMERCE, reason="Theirs")
        put(entity, subject, stake="31", currency="GBP")
        sweep(HOLDS, Scope(entity=entity))
        if there_and_back:
            operations.hand_over(case=case, actor=people[ECOMMERCE], team=FINANCE, reason="Ours")
    drop(entity, "gamma")
    sweep(HOLDS, Scope(entity=entity))
    loose = Case.objects.get(subject="delta")
    operations.dismiss(case=loose, actor=people[Team(loose.team)], reason="A test")
    found = at_stake([(entity, team) for team in Team], DAYS, datetime.now(UTC))
    assert {each.currency: each.now for each in found} == {"GBP": {ECOMMERCE: Decimal(31), FINANCE: Decimal(31)}}
    for each in found:
        for ends in each.teams.values():
            assert set(list(ends.values())[:-1]) == {Decimal(0)}


def weighed(case: Case, verb: str, at: datetime, stake: str, was: str = "") -> None:
    """The audit entry of a sweep, on a day of our choice."""
    of = [{"lines": 1, "stake": text, "currency": "GBP"} if text else {} for text in (was, stake)]
    AuditEntry.objects.create(
        actor_name="opsconsole", entity=case.entity, verb=verb, subject=case.audit_subject, at=at, before=of[0], after=of[1]
    )


class Past:
    """Cases of the last weeks with lives of their own: what they weighed, whose they were, how they ended."""

    def __init__(self, entity, seed: int):
        self.entity, self.draw = entity, Random(seed)
        for _ in range(25):
            self._live()

    def _live(self) -> None:
        team, stake = self.draw.choice([FINANCE, ECOMMERCE]), self._stake()
        at = NOW - timedelta(hours=self.draw.randrange(24, 24 * 90))
        case = CaseFactory(entity=self.entity, opened_at=at, type=self.draw.choice(["test.holds", "test.loose"]))
        weighed(case, "case.opened", at, stake)
        while (at := at + timedelta(hours=self.draw.randrange(1, 24 * 12))) < NOW - HOUR:
            if self.draw.random() < 0.5:
                was, stake = stake, self._stake()
                weighed(case, "case.changed", at, stake, was=was)
            else:
                gave, team = team, ECOMMERCE if team == FINANCE else FINANCE
                AuditEntry.objects.create(
                    actor_name="Marta Lis", entity=self.entity, verb="case.handed-over", subject=case.audit_subject, at=at,
                    before={"team": gave}, after={"team": team},
                )  # fmt: skip
        over = {"state": "cleared", "ended_at": min(at, NOW - HOUR)} if self.draw.random() < 0.5 else {}
        Case.objects.filter(pk=case.pk).update(team=team, stake=Decimal(stake), **over)

    def _stake(self) -> str:
        return f"{self.draw.randrange(1, 90_000)}.{self.draw.randrange(100):02}"


def read(entity) -> list:
    queues = [(entity, team) for team in Team]
    return [at_stake(queues, period, NOW, kind) for period in PERIODS.values() for kind in ("", "test.loose")]


@pytest.mark.parametrize("seed", range(4))
def test_what_is_kept_of_days_that_are_over_is_what_reading_back_says(entity, seed):
    Past(entity, seed)
    read_back = read(entity)
    assert any(read_back)
    for days in (30, 29.5, 9, 0):
        keep(entity, NOW - days * DAY)
        assert read(entity) == read_back
    in_steps = set(StakeMove.objects.values_list("day", "team", "type", "currency", "moved"))
    assert max(day for day, *_ in in_steps) < NOW.date()
    StakesKept.objects.all().delete()
    StakeMove.objects.all().delete()
    keep(entity, NOW)
    assert set(StakeMove.objects.values_list("day", "team", "type", "currency", "moved")) == in_steps


def test_a_day_is_kept_once_what_began_on_it_has_been_written_and_read_from_then_on(entity):
    case = CaseFactory(entity=entity, stake=Decimal(5), opened_at=NOW - 3 * DAY)
    weighed(case, "case.opened", NOW - 3 * DAY, "5")
    for hours in (1, 2):
        keep(entity, NOW.replace(hour=0) + hours * HOUR)  # yesterday may still be under way
        assert StakesKept.objects.get().before == date(2026, 11, 17)
    keep(entity, NOW + HOUR)
    assert StakesKept.objects.get().before == date(2026, 11, 18)
    StakeMove.objects.update(moved=3)  # so that it shows what is read
    (found,) = at_stake([(entity, FINANCE)], DAYS, NOW)
    assert found.teams[FINANCE][date(2026, 11, 1)] == 2


def test_in_another_zone_days_are_others_and_are_read_anew(entity):
    case = CaseFactory(entity=entity, stake=Decimal(5), opened_at=NOW - 3 * DAY)
    weighed(case, "case.opened", datetime(2026, 11, 15, 20, 0, tzinfo=UTC), "5")
    keep(entity, NOW + DAY)
    assert StakeMove.objects.get().day == date(2026, 11, 15)
    entity.zone = "Asia/Tokyo"
    entity.save()
    (found,) = at_stake([(entity, FINANCE)], DAYS, NOW)
    assert (found.teams[FINANCE][date(2026, 11, 15)], found.teams[FINANCE][date(2026, 11, 16)]) == (0, 5)
    keep(entity, NOW + DAY)
    assert StakeMove.objects.get().day == date(2026, 11, 16)
    assert at_stake([(entity, FINANCE)], DAYS, NOW) == [found]


def test_each_day_ends_with_what_was_live_then_and_whose_it_was(entity):
    moved = CaseFactory(entity=entity, team=ECOMMERCE, stake=Decimal("120"), opened_at=NOW - 60 * DAY)
    weighed(moved, "case.opened", NOW - 60 * DAY, "80")
    weighed(moved, "case.changed", NOW - 6 * DAY, "100", was="80")
    AuditEntry.objects.create(
        actor_name="Marta Lis", entity=entity, verb="case.handed-over", subject=moved.audit_subject, at=NOW - 4 * DAY,
        before={"team": "finance"}, after={"team": "ecommerce"},
    )  # fmt: skip
    weighed(moved, "case.changed", NOW - 2 * DAY, "120", was="100")
    gone = ended(entity, State.CLEARED, NOW - 3 * DAY, 2 * DAY, stake=Decimal("5.5"))
    weighed(gone, "case.opened", NOW - 5 * DAY, "5.5")
    (found,) = at_stake([(entity, FINANCE), (entity, ECOMMERCE)], DAYS, NOW)
    finance, ecommerce = found.teams[FINANCE], found.teams[ECOMMERCE]
    days = [(NOW - back * DAY).date() for back in (27, 7, 6, 5, 4, 3, 2, 0)]
    assert [str(finance[day].normalize()) for day in days] == ["8E+1", "8E+1", "1E+2", "105.5", "5.5", "0", "0", "0"]
    assert [int(ecommerce[day]) for day in days] == [0, 0, 0, 0, 100, 100, 120, 120]
    (alone,) = at_stake([(entity, FINANCE)], DAYS, NOW)
    assert alone.teams == {FINANCE: finance}
    assert at_stake([(entity, FINANCE)], DAYS, NOW, "test.loose") == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(stake) FROM exceptions_case WHERE team = 'ecommerce' AND ended_at IS NULL")
        assert cursor.fetchone() == (found.now[ECOMMERCE],)
