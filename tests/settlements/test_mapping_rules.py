"""Which rule wins: exactness is a total order, periods never overlap, and the words say why."""

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from apps.settlements.rules import (
    Rule,
    Signature,
    Span,
    clean,
    exactness,
    explain,
    family,
    free_text,
    matches,
    rank,
    resolve_spans,
    signature_key,
)

START = date(2026, 1, 1)
DAYS = [START + timedelta(days=n) for n in range(12)]
FEE = Signature("amazon.co.uk", "order", "itemfees", "fbacustomerreturnperunitfee", "none")

edges = st.none() | st.sampled_from(DAYS)
spans = st.builds(Span, edges, edges).filter(lambda s: s.since is None or s.until is None or s.since < s.until)
patterns = st.builds(
    Signature,
    st.sampled_from(["", "amazon.co.uk", "amazon.de"]),
    st.sampled_from(["", "order", "refund"]),
    st.sampled_from(["", "itemfees"]),
    st.sampled_from(["", "*", "fba*", "fbacustomer*", "fbacustomerreturnperunitfee", "commission"]),
    st.sampled_from(["", "none"]),
)


@st.composite
def rule_sets(draw):
    drawn = draw(st.lists(st.tuples(patterns, spans), max_size=8))
    return [Rule(number, pattern, span, account=number) for number, (pattern, span) in enumerate(drawn, 1)]


@given(rule_sets())
def test_resolved_periods_never_overlap_and_cover_exactly_where_a_rule_matches(rules):
    resolved = resolve_spans(rules, FEE)
    for day in [START - timedelta(days=400), *DAYS, START + timedelta(days=400)]:
        winners = [rule for span, rule in resolved if day in span]
        candidates = [rule for rule in rules if matches(rule.pattern, FEE) and day in rule.span]
        assert winners == ([max(candidates, key=rank)] if candidates else [])
    for (one, first), (other, second) in pairwise(resolved):
        assert one.until is not None
        assert other.since is not None
        assert one.until <= other.since
        assert first is not second or one.until < other.since


@given(rule_sets())
def test_the_order_is_total_and_equal_exactness_means_the_same_pattern(rules):
    matching = [rule for rule in rules if matches(rule.pattern, FEE)]
    assert len({rank(rule) for rule in matching}) == len(matching)
    for one in matching:
        for other in matching:
            if exactness(one.pattern) == exactness(other.pattern):
                assert {**vars(one.pattern), "amount_description": one.pattern.amount_description.strip("*")} == {
                    **vars(other.pattern),
                    "amount_description": other.pattern.amount_description.strip("*"),
                }


@given(rule_sets(), st.sampled_from(DAYS))
def test_the_explanation_names_the_winner_and_a_reason_for_each_other_match(rules, day):
    said = explain(FEE, rules, day)
    assert said.winner == next((rule for span, rule in resolve_spans(rules, FEE) if day in span), None)
    assert {rule.id for rule, _ in said.losers} | ({said.winner.id} if said.winner else set()) == {
        rule.id for rule in rules if matches(rule.pattern, FEE)
    }
    assert all(words.endswith(".") for _, words in said.losers)


def test_the_whole_description_beats_a_longer_list_of_other_fields():
    family_rule = Rule(1, Signature("amazon.co.uk", "order", "itemfees", "fba*", "none"), Span(), 5110)
    exact = Rule(2, Signature("", "", "", "fbacustomerreturnperunitfee", ""), Span(), 5115)
    assert resolve_spans([family_rule, exact], FEE) == [(Span(), exact)]


def test_the_words_say_why_a_rule_lost():
    later = Rule(1, FEE, Span(date(2026, 11, 1)), 1)
    wide = Rule(2, Signature("", "", "itemfees", "", ""), Span(), 2)
    narrow = Rule(3, Signature("", "order", "itemfees", "fba*", ""), Span(), 3)
    said = explain(FEE, [later, wide, narrow], date(2026, 10, 26))
    assert said.winner == narrow
    assert (
        said.words
        == "The most exact of 2: it names transaction-type, amount-type and how the amount-description begins (fba*)."
    )
    assert dict((rule.id, words) for rule, words in said.losers) == {
        1: "Begins later, on 1 Nov 2026.",
        2: "Less exact: it names amount-type.",
    }


def test_names_are_compared_without_case_and_surrounding_blanks():
    key = signature_key(" Amazon.co.uk", "Order ", "ItemFees", "FBA  Customer Returns\tFee", "none")
    assert key == "amazon.co.uk | order | itemfees | fba customer returns fee | none"
    assert clean("  Storage   FEE ") == "storage fee"


def test_a_family_begins_as_its_members_do():
    assert family("PilotProgrammeFee007") == "PilotProgrammeFee*"
    assert family("Coupon 10 % off kettles") == "Coupon*"
    assert family("Commission") == "Commission*"
    assert family("2026-11") == "", "a pattern of nothing would take every fee"


def test_free_text_is_a_family_as_narrow_as_the_list_says():
    label = Signature("", "other-transaction", "other-transaction", "shipping label purchase for return", "none")
    coupon = Signature("", "couponredemptionfee", "couponredemptionfee", "save 10 %", "none")
    assert (free_text(label), free_text(coupon), free_text(FEE)) == ("shipping label purchase*", "*", "")
