"""Chains of reserves: who follows whom, what holds, where one is missing. Property-tested, to the cent."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from apps.settlements.chain_rules import Link, Payout, links, propose, standing

FIRST = date(2026, 1, 1)
UK, DE, FR = (frozenset({f"amazon.{land}"}) for land in ("co.uk", "de", "fr"))
cents = st.integers(-100_000, 1_000_000).map(lambda number: Decimal(number) / 100)


def payout(number: str, start: date, days: int = 14, **values) -> Payout:
    return Payout(id=number, start=start, end=start + timedelta(days=days), **values)


def chain(
    name: str, reserves: list[Decimal], marketplaces: frozenset[str] = UK, start: date = FIRST, days: int = 14
) -> list[Payout]:
    """One settlement for each pair of reserves: it gives back the first and keeps the second."""
    return [
        payout(
            f"{name}{n}", start + timedelta(days=days * n), days, marketplaces=marketplaces, given_back=back, kept=kept
        )
        for n, (back, kept) in enumerate(pairwise(reserves))
    ]


@st.composite
def interleaved(draw) -> list[list[Payout]]:
    """Chains with marketplaces of their own, some equal in their amounts by chance, some daily, some without reserve."""
    return [
        chain(
            f"{name}-",
            draw(st.lists(st.one_of(cents, st.sampled_from([Decimal(0), Decimal("100.00")])), min_size=2, max_size=8)),
            frozenset({f"amazon.{name}"}),
            FIRST + timedelta(days=draw(st.integers(0, 20))),
            draw(st.sampled_from([1, 7, 14, 31])),
        )
        for name in draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True))
    ]


def found(payouts: list[Payout]) -> set[frozenset[str]]:
    proposals, _ = propose(payouts)
    return {frozenset(each.id for each in proposal.payouts) for proposal in proposals}


def ids(*chains: list[Payout]) -> set[frozenset[str]]:
    return {frozenset(each.id for each in one) for one in chains}


@given(interleaved(), st.randoms(use_true_random=False))
def test_interleaved_chains_are_recovered_from_any_order_of_arrival(chains, chance):
    arrived = [each for one in chains for each in one]
    chance.shuffle(arrived)
    assert found(arrived) == ids(*chains)
    proposals, doubtful = propose(arrived)
    assert not doubtful
    for proposal in proposals:
        held = links(proposal.payouts, proposal.payouts[0].given_back)
        assert {each.link for each in held} == {Link.HOLDS}
        assert standing(proposal.payouts, proposal.payouts[0].given_back).difference == 0


@given(interleaved(), st.randoms(use_true_random=False))
def test_taking_one_out_leaves_exactly_one_gap_that_names_its_days(chains, chance):
    long = [one for one in chains if len(one) > 2]
    if not long:
        return
    lost = chance.choice(long)[1:-1]
    lost = chance.choice(lost)
    left = [each for one in chains for each in one if each != lost]
    chance.shuffle(left)
    proposals, doubtful = propose(left)
    assert len(proposals) == len(chains) and not doubtful
    held = [each for proposal in proposals for each in links(proposal.payouts, proposal.payouts[0].given_back)]
    (gap,) = [each for each in held if each.link != Link.HOLDS]
    assert (gap.link, gap.before.end, gap.payout.start) == (Link.GAP, lost.start, lost.end)
    assert gap.difference == lost.kept - lost.given_back


@given(st.lists(cents, min_size=2, max_size=12), cents)
def test_the_reserve_stands_at_what_the_last_file_kept(reserves, wrong):
    one = chain("a", reserves)
    assert standing(one, reserves[0]).comes_to == reserves[-1]
    assert standing(one, reserves[0] + wrong).difference == wrong
    first, *others = links(one, reserves[0] + wrong)
    assert first.link == (Link.BROKEN if wrong else Link.HOLDS)
    assert first.difference == -wrong
    assert all(each.link == Link.HOLDS for each in others)


@given(st.permutations(range(6)), st.lists(cents.filter(bool), min_size=8, max_size=8, unique=True))
def test_two_groups_of_one_marketplace_are_told_apart_by_their_amounts(order, amounts):
    first, second = chain("a", amounts[:4]), chain("b", amounts[4:])
    together = [*first, *second]
    arrived = [together[place] for place in order]
    assert found(arrived) == ids(first, second)
    assert propose(arrived)[1] == frozenset()


def test_what_equal_amounts_leave_open_is_said():
    same = [Decimal("50.00")] * 3
    together = [*chain("a", same), *chain("b", same)]
    proposals, doubtful = propose(together)
    assert len(proposals) == 2 and all(len(proposal.payouts) == 2 for proposal in proposals)
    assert doubtful == {"a1", "b1"}


def test_an_equal_amount_of_another_marketplace_or_at_another_time_says_nothing():
    hundred = Decimal("100.00")
    german = payout("de", FIRST, marketplaces=DE, kept=hundred)
    british = payout("uk", FIRST, marketplaces=UK, kept=Decimal("7.00"))
    after = payout("uk2", british.end, marketplaces=UK, given_back=hundred)
    much_later = payout("de2", FIRST + timedelta(days=90), marketplaces=DE, given_back=Decimal(1))
    assert found([german, british, after, much_later]) == ids([german, much_later], [british, after])
    broken = links([british, after], None)[1]
    assert (broken.link, broken.expected, broken.difference) == (Link.BROKEN, Decimal("7.00"), Decimal("93.00"))


def test_the_amount_decides_between_two_that_end_when_it_begins_although_the_other_is_broken():
    a1, b1 = (
        payout("a1", FIRST, marketplaces=UK, kept=Decimal(80)),
        payout("b1", FIRST, marketplaces=UK, kept=Decimal(50)),
    )
    a2 = payout("a2", a1.end, marketplaces=UK, given_back=Decimal(80))
    b2 = payout("b2", b1.end, marketplaces=UK, given_back=Decimal(55))
    assert found([a1, b1, b2, a2]) == ids([a1, a2], [b1, b2])
    assert propose([a1, b1, b2, a2])[1] == frozenset()


def test_a_settlement_without_marketplace_goes_with_the_chain_that_its_amounts_name():
    uk, de = chain("uk", [Decimal(1), Decimal(2), Decimal(3), Decimal(4)]), chain("de", [Decimal(5), Decimal(6)], DE)
    uk[1] = replace(uk[1], marketplaces=frozenset())
    assert found([*uk, *de]) == ids(uk, de)


def test_it_cannot_bridge_two_marketplaces():
    first = payout("fr", FIRST, marketplaces=FR)
    between = payout("between", first.end)
    last = payout("de", between.end, marketplaces=DE)
    assert found([first, between, last]) == ids([first, between], [last])


def test_what_a_person_placed_stays_and_the_rest_goes_around_it():
    a, b = chain("a", [Decimal(n) for n in (1, 2, 3, 4)]), chain("b", [Decimal(n) for n in (5, 6, 7, 8)])
    a[2], b[0] = replace(a[2], chain=7), replace(b[0], chain=7)
    proposals, _ = propose([*a, *b])
    (placed,) = [proposal for proposal in proposals if proposal.chain == 7]
    assert {a[2].id, b[0].id} <= {each.id for each in placed.payouts}
    for proposal in proposals:
        for before, after in pairwise(proposal.payouts):
            assert before.end <= after.start


def test_a_late_file_finds_its_place_between_two_that_a_person_placed():
    one = chain("a", [Decimal(n) for n in (1, 2, 3, 4)])
    placed = [replace(one[0], chain=3), one[1], replace(one[2], chain=3)]
    (proposal,), doubtful = propose(placed)
    assert [each.id for each in proposal.payouts] == ["a0", "a1", "a2"]
    assert (proposal.chain, doubtful) == (3, frozenset())


def test_the_opening_is_awaited_only_where_something_was_given_back():
    assert links(chain("a", [Decimal(0), Decimal(5)]), None)[0].link == Link.HOLDS
    assert links(chain("a", [Decimal(3), Decimal(5)]), None)[0].link == Link.OPENING
    assert links(chain("a", [Decimal(3), Decimal(5)]), Decimal(3))[0].link == Link.HOLDS
    assert links(chain("a", [Decimal(3), Decimal(5)]), Decimal(2))[0].link == Link.BROKEN


def test_a_day_between_is_no_gap_but_for_daily_payouts():
    fortnights = [payout("a", FIRST), payout("b", FIRST + timedelta(days=15))]
    assert links(fortnights, None)[1].link == Link.HOLDS
    days = [payout("a", FIRST, 1), payout("b", FIRST + timedelta(days=2), 1)]
    assert links(days, None)[1].link == Link.GAP
