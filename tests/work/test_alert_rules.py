"""What is told, when, and how many become one: the pure rules, run over made-up weeks."""

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.work.alerts import floods
from apps.work.alerts.floods import ALL, Tide, onset, tide, trend
from apps.work.alerts.quiet import Quiet, leaves_at
from apps.work.alerts.replay import Past, Sent, Sort, Spell, replay
from apps.work.alerts.rules import Kind, Mark, Occasion, Policy, Severity, Watch, decide, severity_of

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)  # a Wednesday
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LONDON = ZoneInfo("Europe/London")
POLICY = Policy(flood_least=5, flood_team=12)
TYPES = ["fee", "sku", "late"]

amounts = st.decimals(0, 100_000, places=2)


@given(amounts, amounts, st.booleans())
def test_more_money_is_never_less_severe(one: Decimal, other: Decimal, holds: bool):
    less, more = sorted((one, other))
    assert severity_of(less, holds, POLICY) <= severity_of(more, holds, POLICY)
    assert severity_of(less, False, POLICY) <= severity_of(less, True, POLICY)


@pytest.mark.parametrize(
    ("worth", "holds", "severity"),
    [("0", False, "LOW"), ("0", True, "NORMAL"), ("50", False, "NORMAL"), ("1000", False, "HIGH"), ("10000", True, "CRITICAL")],
)
def test_severity_by_its_limits(worth, holds, severity):
    assert severity_of(Decimal(worth), holds, Policy()) == Severity[severity]


def past(number: int, *, after: timedelta = HOUR, kind: str = "fee", due: timedelta = 3 * DAY, **values) -> Past:
    opened = NOON + after
    usual = {"severity": Severity.HIGH, "opened_at": opened, "due_at": opened + due}
    return Past(id=number, type=kind, **usual | values)


def played(
    *cases: Past, until: timedelta = 2 * DAY, least: Severity = Severity.HIGH, quiet: Quiet | None = None, usual: int = 0,
    escalates: bool = False,
) -> list[Sent]:  # fmt: skip
    openings: dict[str, list[datetime]] = {"fee": [NOON - DAY * (1 + n % 27) for n in range(usual)]}
    for case in cases:
        openings.setdefault(case.type, []).append(case.opened_at)
    return replay(
        cases,
        {kind: sorted(at) for kind, at in openings.items()},
        watch=Watch(least=least, since=NOON, escalates=escalates),
        policy=POLICY,
        quiet=quiet,
        until=NOON + until,
    )


def brief(sent: list[Sent]) -> list[tuple[timedelta, str, int]]:
    return [(each.at - NOON, each.sort.value, len(each.cases)) for each in sent]


def test_a_severe_case_is_told_at_once_and_again_when_its_deadline_is_near_and_past():
    told = played(past(1, due=10 * HOUR), past(2, kind="sku", severity=Severity.LOW, due=10 * HOUR))
    assert brief(told) == [(HOUR, "At once", 1), (7 * HOUR, "At once", 1), (11 * HOUR, "At once", 1)]


def test_more_of_a_type_within_the_hour_waits_and_what_is_worse_does_not():
    told = played(past(1), past(2, after=HOUR + 10 * MINUTE), past(3, after=HOUR + 20 * MINUTE, severity=Severity.CRITICAL))
    assert brief(told) == [(HOUR, "At once", 1), (HOUR + 20 * MINUTE, "At once", 2)]


def test_a_held_case_is_silent_and_so_is_a_sleeping_one():
    held = Spell(begins=NOON, ends=NOON + 5 * HOUR, holder="Marta Lis")
    asleep = Spell(begins=NOON, ends=NOON + 5 * HOUR)
    told = played(past(1, spells=(held,)), past(2, kind="sku", spells=(asleep,)))
    assert brief(told) == [(HOUR, "Silenced", 1), (5 * HOUR, "At once", 1)]


def test_nobody_on_it_escalates_once_and_a_lapsed_claim_near_its_deadline_does_too():
    claim = Spell(begins=NOON + HOUR, ends=NOON + 3 * HOUR, holder="Marta Lis", lapsed=True)
    told = played(past(1), past(2, kind="sku", due=4 * HOUR, spells=(claim,)), escalates=True, least=Severity.HIGH)
    escalated = [each for each in told if each.sort == Sort.ESCALATION]
    assert [(each.type, each.at - NOON) for each in escalated] == [("sku", 3 * HOUR), ("fee", 5 * HOUR), ("sku", 7 * HOUR)]


def test_a_case_that_ends_in_the_quiet_hours_is_silenced_and_an_urgent_one_breaks_through():
    quiet = Quiet(begins=time(12, 0), ends=time(18, 0), zone=ZoneInfo("UTC"))
    told = played(
        past(1, ended_at=NOON + 2 * HOUR), past(2, kind="sku", due=2 * HOUR), past(3, kind="late"), quiet=quiet, until=7 * HOUR
    )
    assert [(each.at - NOON, each.sort.value, each.type) for each in told] == [
        (HOUR, "At once", "sku"),
        (3 * HOUR, "At once", "sku"),
        (6 * HOUR, "Silenced", "fee"),
        (6 * HOUR, "At once", "late"),
    ]


def test_a_flood_is_one_message_until_it_calms_and_then_one_line():
    first = [past(n, after=HOUR + n * MINUTE, severity=Severity.CRITICAL) for n in range(41)]
    told = played(*first, past(99, after=20 * HOUR))
    assert [each.sort.value for each in told] == ["At once", "Flood", "Calm again", "At once"]
    assert told[1].severity == Severity.CRITICAL
    assert (told[1].at, len(told[1].cases)) == (NOON + HOUR + 5 * MINUTE, 40)


def test_the_first_that_is_louder_than_a_flood_breaks_through_and_a_hundred_more_do_not():
    high = [past(n, after=HOUR + n * MINUTE) for n in range(20)]
    critical = [past(100 + n, after=HOUR + 30 * MINUTE + n * MINUTE / 2, severity=Severity.CRITICAL) for n in range(100)]
    told = played(*high, *critical, until=3 * HOUR)
    assert [(each.sort.value, each.severity.label) for each in told] == [
        ("At once", "High"), ("Flood", "High"), ("At once", "Critical"),
    ]  # fmt: skip
    assert (told[2].at, told[2].cases) == (NOON + HOUR + 30 * MINUTE, (100,))
    assert len(told[1].cases) == 19 + 99


def test_through_a_flood_of_all_kinds_one_breaks_whatever_its_type_and_a_held_one_does_not():
    held = Spell(begins=NOON, ends=NOON + 5 * HOUR, holder="Marta Lis")
    high = [past(n, kind=f"type {n % 4}") for n in range(13)]
    loud = {"after": HOUR + MINUTE, "severity": Severity.CRITICAL}
    told = played(*high, past(20, spells=(held,), **loud), past(21, **loud), past(22, kind="sku", **loud), until=90 * MINUTE)
    assert [(each.sort.value, each.type, each.cases) for each in told[1:]] == [
        ("At once", ALL, (21, 22)), ("Silenced", "fee", (20,)),
    ]  # fmt: skip


def test_what_is_usual_is_no_flood():
    assert "Flood" not in [each.sort.value for each in played(*(past(n) for n in range(8)), usual=2000)]
    assert "Flood" in [each.sort.value for each in played(*(past(n) for n in range(8)), usual=10)]


def test_many_causes_at_once_are_one_message():
    told = played(*(past(n, kind=f"type {n % 4}") for n in range(13)))
    assert [(each.sort.value, each.type) for each in told][:1] == [("Flood", ALL)]
    assert not [each for each in told if each.sort == Sort.AT_ONCE]


spells = st.builds(
    lambda begins, lasts, holder: Spell(begins=NOON + begins, ends=NOON + begins + lasts, holder=holder, lapsed=True),
    st.timedeltas(timedelta(0), DAY),
    st.timedeltas(MINUTE, DAY),
    st.sampled_from(["", "Marta Lis"]),
)


@st.composite
def weeks(draw) -> list[Past]:
    """Openings that come alone and in bursts."""
    cases = []
    for kind in TYPES:
        for begins in draw(st.lists(st.timedeltas(timedelta(0), 2 * DAY), max_size=4)):
            for _ in range(draw(st.sampled_from([1, 1, 2, 8, 30]))):
                after = begins + draw(st.timedeltas(timedelta(0), 40 * MINUTE))
                severity = draw(st.sampled_from(Severity))
                held = draw(st.lists(spells, max_size=1))
                cases.append(past(len(cases), after=after, kind=kind, severity=severity, due=4 * DAY, spells=tuple(held)))
    return cases


@given(weeks())
def test_in_a_flood_there_is_one_message_and_nothing_severe_is_lost(cases):
    """Each severe case that was there to be told is in one message, a flood, or silent because of its holder."""
    told = played(*cases, until=4 * DAY - 5 * HOUR)
    by_id = {case.id: case for case in cases}
    on: dict[str, Sent] = {}
    loudest: dict[str, Severity] = {}
    levels: dict[str, list[tuple[datetime, Severity]]] = {}
    for each in told:
        if each.sort == Sort.FLOOD:
            assert each.type not in on
            on[each.type], loudest[each.type] = each, each.severity
        elif each.sort == Sort.CALM:
            flood = on.pop(each.type)
            assert each.at >= flood.at + HOUR
            assert all(by_id[case].severity <= loudest[each.type] for case in flood.cases)
        elif each.sort == Sort.AT_ONCE and (each.type in on or ALL in on):
            flooded = each.type if each.type in on else ALL
            assert each.severity > loudest[flooded]
            loudest[flooded] = each.severity
        elif each.sort == Sort.AT_ONCE:
            within = [severity for at, severity in levels.get(each.type, []) if at > each.at - HOUR]
            assert not within or each.severity > max(within)
            levels.setdefault(each.type, []).append((each.at, each.severity))
    named = Counter(case for each in told for case in each.cases)
    assert named == {case.id: 1 for case in cases if case.severity >= Severity.HIGH}


occasions = st.builds(
    lambda kind, severity, holder, person: (kind, severity, holder, person),
    st.sampled_from(TYPES), st.sampled_from(Severity), st.sampled_from(["", "", "Marta Lis"]), st.sampled_from([None, 7, 8]),
)  # fmt: skip


@given(st.lists(st.lists(occasions, max_size=4), max_size=12), st.sampled_from(["fee", ALL]))
def test_no_order_of_arrivals_hides_in_a_flood_what_is_louder_and_each_level_breaks_through_once(arrivals, kind):
    level, told, number = Severity.HIGH, Counter(), 0
    for arrived in arrivals:
        found = [
            Occasion(
                case=(number := number + 1), type=of, marks=(Mark(Kind.NEW, severity),), severity=severity, due_at=NOON,
                person=person, holder=holder,
            )
            for of, severity, holder, person in arrived
        ]  # fmt: skip
        decision = decide(found, {}, {kind: level})
        flooded = [one for one in found if not one.holder and kind in (ALL, one.type)]
        assert {*decision.joined} == {one for one in flooded if one.severity <= level}
        assert {one for group in decision.louder for one in group.occasions} == {one for one in flooded if one.severity > level}
        for group in decision.louder:
            assert (group.type, group.person) == (kind, None)
            told[group.severity] += 1
            level = group.severity
    assert max(told.values(), default=0) <= 1


@given(st.dictionaries(st.sampled_from(TYPES), st.integers(0, 60)), st.dictionaries(st.sampled_from(TYPES), st.integers(0, 9000)))
def test_what_is_usual_raises_the_limit_and_what_is_on_does_not_begin_again(opened, usual):
    begins = tide(opened, usual, {}, POLICY, NOON).begins
    for kind, count in opened.items():
        assert (kind in begins) == (count > max(5, usual.get(kind, 0) * 5 // floods.HOURS))
    assert tide(opened, usual, dict.fromkeys(begins, NOON), POLICY, NOON) == Tide()


@pytest.mark.parametrize(
    ("usual", "since", "said"),
    [
        (12, NOON - DAY, "Fee: 3 a week until yesterday 12:00, 41 since"),
        (0, NOON - 2 * HOUR, "Fee: none in four weeks until today 10:00, 41 since"),
        (3, NOON - 3 * DAY, "Fee: 3 in four weeks until Sunday 12:00, 41 since"),
        (4000, NOON - 10 * DAY, "Fee: 1,000 a week until 8 Nov 12:00, 41 since"),
    ],
)
def test_the_trend_in_words(usual, since, said):
    assert trend(title="Fee", usual=usual, since=since, count=41, now=NOON, zone=LONDON) == said


def test_a_rise_begins_on_the_first_day_that_has_more_than_a_usual_week():
    quiet, busy = [NOON - 6 * DAY, NOON - 5 * DAY], [NOON - DAY + n * MINUTE for n in range(40)]
    assert onset([*busy, *quiet], 12, LONDON) == NOON - DAY
    assert onset(quiet, 12, LONDON) == NOON - 6 * DAY


@given(st.datetimes(datetime(2026, 3, 20), datetime(2026, 4, 5), timezones=st.just(UTC)), st.times(), st.times())
def test_quiet_hours_end_at_their_hour_of_the_companys_clock(now, begins, ends):
    """Over the change of the clocks too."""
    begins, ends = begins.replace(tzinfo=None), ends.replace(tzinfo=None)
    quiet = Quiet(begins=begins, ends=ends, zone=LONDON)
    at = leaves_at(now, quiet, [])
    assert now <= at <= now + timedelta(hours=25)
    if at > now:
        assert at.astimezone(LONDON).time() == ends
        assert leaves_at(now, quiet, [at]) == now
