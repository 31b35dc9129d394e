"""Rules that win nowhere, rules that meet half way, fees with a new name, fees that cost more: found exactly where they are."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from apps.settlements.care_rules import (
    ALIKE,
    APART,
    ENOUGH_LINES,
    GONE_FOR,
    TOGETHER,
    Cost,
    Overlap,
    Seen,
    Shadowed,
    dearer,
    look_at_rules,
    refines,
    renamed,
)
from apps.settlements.rules import Rule, Signature, Span, matches, resolve_spans

START = date(2026, 1, 1)
DAYS = [START + timedelta(days=n) for n in range(6)]
edges = st.none() | st.sampled_from(DAYS)
spans = st.builds(Span, edges, edges).filter(lambda s: s.since is None or s.until is None or s.since < s.until)
patterns = st.builds(
    Signature,
    st.sampled_from(["", "de"]),
    st.sampled_from(["", "order"]),
    st.sampled_from(["", "itemfees"]),
    st.sampled_from(["", "*", "f*", "fba*", "fba", "fbareturn"]),
    st.just(""),
)
fees = st.builds(
    Signature,
    st.sampled_from(["de", "uk"]),
    st.sampled_from(["order", "refund"]),
    st.sampled_from(["itemfees", "itemprice"]),
    st.sampled_from(["", "fba", "fbareturn", "fee", "commission"]),
    st.just("none"),
)
rule_sets = st.lists(st.tuples(patterns, spans), max_size=7).map(
    lambda drawn: [Rule(number, pattern, span, account=number) for number, (pattern, span) in enumerate(drawn, 1)]
)
fee_sets = st.lists(fees, max_size=6, unique=True).map(lambda drawn: dict(enumerate(drawn, 1)))


@given(rule_sets, fee_sets)
def test_every_rule_is_unused_or_shadowed_or_wins_somewhere(rules, seen):
    found = look_at_rules(rules, seen)
    winners = {rule.id for fee in seen.values() for _, rule in resolve_spans(rules, fee)}
    matching = {rule.id for rule in rules if any(matches(rule.pattern, fee) for fee in seen.values())}
    assert set(found.unused) == {rule.id for rule in rules} - matching
    assert {each.rule for each in found.shadowed} == matching - winners
    for shadowed in found.shadowed:
        assert shadowed.by and set(shadowed.by) <= winners
        rule = rules[shadowed.rule - 1]
        assert shadowed.fees == sum(matches(rule.pattern, fee) for fee in seen.values())


@given(rule_sets, fee_sets)
def test_two_rules_overlap_where_they_share_a_fee_and_a_day_and_neither_is_narrower(rules, seen):
    found = {frozenset((each.winner, each.loser)): each for each in look_at_rules(rules, seen).overlaps}
    for one, other in combinations(rules, 2):
        common = [fee for fee, name in seen.items() if matches(one.pattern, name) and matches(other.pattern, name)]
        narrower = refines(one.pattern, other.pattern) or refines(other.pattern, one.pattern)
        overlap = found.get(frozenset((one.id, other.id)))
        assert bool(overlap) == bool(common and one.span.meets(other.span) and not narrower)
        if overlap:
            assert overlap.fee in common and overlap.fees == len(common)
            pair = {rule.id: rule for rule in (one, other)}
            together = [Rule(rule.id, rule.pattern, Span(), rule.account) for rule in pair.values()]
            ((_, winner),) = resolve_spans(together, seen[overlap.fee])
            assert winner.id == overlap.winner


@given(patterns, patterns, fees)
def test_a_narrower_pattern_matches_nothing_that_the_wider_does_not(narrow, wide, fee):
    assert refines(narrow, narrow)
    if refines(narrow, wide) and matches(narrow, fee):
        assert matches(wide, fee)


def test_a_rule_in_the_shadow_of_two_names_both():
    fee = Signature("de", "order", "itemfees", "fba", "none")
    wide = Rule(1, Signature("", "", "itemfees", "", ""), Span(), 1)
    early = Rule(2, Signature("", "order", "itemfees", "fba", ""), Span(None, DAYS[3]), 2)
    late = Rule(3, Signature("", "order", "itemfees", "fba", ""), Span(DAYS[3], None), 3)
    found = look_at_rules([wide, early, late], {7: fee})
    assert found.shadowed == [Shadowed(1, (2, 3), 1)]
    assert found.overlaps == [], "each is the wide rule in narrower terms"


def test_of_two_rules_that_meet_half_way_the_winner_is_named():
    of_germany = Rule(1, Signature("de", "", "itemfees", "", ""), Span(), 1)
    of_fba = Rule(2, Signature("", "order", "", "fba*", ""), Span(), 2)
    found = look_at_rules([of_germany, of_fba], {7: Signature("de", "order", "itemfees", "fbareturn", "none")})
    assert found.overlaps == [Overlap(winner=2, loser=1, fee=7, fees=1)]


OLD = Seen(
    fee=1,
    kin="uk order none",
    currency="GBP",
    first=START,
    last=START + timedelta(days=60),
    lines=400,
    money=Decimal(-400),
)
NEW = replace(
    OLD, fee=2, first=START + timedelta(days=62), last=START + timedelta(days=90), lines=200, money=Decimal(-206)
)


def test_a_fee_that_stopped_as_another_began_has_a_new_name():
    (pair,) = renamed([OLD, NEW])
    assert (pair.old, pair.new, pair.differs) == (OLD, NEW, Decimal("0.03"))


def test_what_only_looks_like_a_new_name_is_left_alone():
    day = timedelta(days=1)
    for other in (
        replace(NEW, kin="de order none"),
        replace(NEW, currency="EUR"),
        replace(NEW, lines=ENOUGH_LINES - 1, money=Decimal(-9)),
        replace(NEW, money=Decimal(-221)),
        replace(NEW, money=Decimal(206)),
        replace(NEW, money=Decimal(0)),
        replace(NEW, first=OLD.last - TOGETHER - day),
        replace(NEW, first=OLD.last + APART + day, last=OLD.last + APART + 9 * day),
        replace(NEW, last=OLD.last + GONE_FOR - day),
    ):
        assert renamed([OLD, other]) == []
    assert renamed([OLD, replace(NEW, first=OLD.last - TOGETHER, money=Decimal(-220))])


seen_fees = st.builds(
    lambda fee, first, length, lines, cents: Seen(
        fee=fee, kin="", currency="GBP", first=START + timedelta(days=first), lines=lines, money=Decimal(cents) / 100,
        last=START + timedelta(days=first + length),
    ),
    st.integers(1, 9), st.integers(0, 60), st.integers(0, 60), st.integers(1, 30), st.integers(-3000, 3000),
)  # fmt: skip


@given(st.lists(seen_fees, max_size=8, unique_by=lambda each: each.fee), st.randoms())
def test_each_new_name_keeps_to_the_limits_and_is_the_same_in_any_order(seen, shuffle):
    found = renamed(seen)
    for pair in found:
        assert pair.old.lines >= ENOUGH_LINES and pair.new.lines >= ENOUGH_LINES
        assert abs(pair.new.per_line - pair.old.per_line) <= abs(pair.old.per_line) * ALIKE + Decimal("1e-20")
        assert pair.new.first - pair.old.last <= APART and pair.new.last - pair.old.last >= GONE_FOR
    assert max(Counter(fee for pair in found for fee in (pair.old.fee, pair.new.fee)).values(), default=0) <= 1
    shuffled = list(seen)
    shuffle.shuffle(shuffled)
    assert renamed(shuffled) == found


def cost(money: str, lines: int = 100, items: int = 0) -> Cost:
    return Cost(settlement=f"{money} {lines} {items}", money=Decimal(money), lines=lines, items=items)


def test_a_fee_that_tripled_for_each_item_sold_is_found_though_its_lines_did_not():
    found = dearer([cost("-100", 100, 100), cost("-210", 200, 200), cost("-90", 90, 90), cost("-310", 310, 100)])
    assert found.per_item
    assert (found.each, found.before, found.settlements_before) == (Decimal("-3.1"), Decimal("-1"), 3)
    assert round(found.times, 2) == Decimal("3.10")


def test_without_order_items_it_counts_by_line():
    found = dearer([cost("-25", 1), cost("-25", 1), cost("-25", 1, 40), cost("-75", 1)])
    assert (found.per_item, found.each, found.before) == (False, Decimal(-75), Decimal(-25))


def test_two_settlements_before_are_too_few_to_know():
    assert dearer([cost("-25", 1), cost("-25", 1), cost("-250", 1)]) is None


costs = st.builds(cost, st.integers(-900, 900).map(str), st.integers(1, 50), st.integers(0, 50))


@given(st.lists(costs, min_size=1, max_size=9), st.integers(1, 50))
def test_dearer_means_three_times_the_median_whatever_the_unit_of_money(drawn, factor):
    found = dearer(drawn)
    scaled = dearer([replace(each, money=each.money * factor) for each in drawn])
    assert (found is None) == (scaled is None)
    per_item = all(each.items for each in drawn)
    *before, newest = (Fraction(each.money) / (each.items if per_item else each.lines) for each in drawn)
    middle = median(before) if len(before) >= 3 else 0
    assert (found is not None) == bool(middle and newest / middle >= 3)
