"""Reserve chains from files: whatever the order of arrival, with a person's word above every proposal."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.operations import perform, plan
from apps.exceptions.sweep import sweep, sweep_each
from apps.exceptions.types import REGISTRY, Scope
from apps.settlements import chain_changes, chains
from apps.settlements.models import ChainLink, ReserveChain, Settlement
from tests.factories import ConnectionFactory, person
from tests.samples import sample
from tests.settlements.files import SALE, File, line, reserve
from tests.settlements.take import take

pytestmark = pytest.mark.django_db(transaction=True)
FIRST = date(2026, 3, 2)
BROKEN, OPENING, MISSING = (
    "settlement.reserve-chain-broken", "settlement.opening-balance", "settlement.missing",
)  # fmt: skip


@pytest.fixture
def place():
    return ConnectionFactory()


@pytest.fixture
def priya(place):
    return person(Role.FINANCE, place.entity, name="Priya Nair")


def sale(marketplace: str) -> tuple[dict[str, str], ...]:
    return tuple(row | {"marketplace-name": marketplace} for row in SALE)


def payout(
    number: str, n: int, given_back: str = "", kept: str = "", market: str = "Amazon.co.uk", since: date = FIRST
) -> File:
    """The n-th fortnight of a chain."""
    start = since + timedelta(days=14 * n)
    file = File(settlement_id=number, lines=(*sale(market), *reserve(given_back, kept)))
    return file.of_days(start, start + timedelta(days=14))


ONE, TWO, THREE = (
    payout("31", 0, kept="80.00"), payout("32", 1, "80.00", "95.50"), payout("33", 2, "95.50", "-4.10"),
)  # fmt: skip


def in_chains() -> set[frozenset[str]]:
    """Settlements that are together, as sets."""
    links = ChainLink.objects.values_list("chain", "settlement__settlement_id")
    together: dict[int, set[str]] = {}
    for chain, number in links:
        together.setdefault(chain, set()).add(number)
    return {frozenset(numbers) for numbers in together.values()}


def cases(code: str) -> list[Case]:
    return list(Case.objects.live().filter(type=code).order_by("subject"))


def headline(code: str) -> str:
    (case,) = cases(code)
    return case.kind.headline(case)


def settle(entity) -> None:
    sweep_each({code: Scope(entity=entity) for code in chains.TYPES})


@pytest.mark.parametrize("order", list(permutations((ONE, TWO, THREE))))
def test_a_chain_ties_whatever_the_order_of_arrival(place, order):
    for file in order:
        take(place, file)
    assert in_chains() == {frozenset({"31", "32", "33"})}
    assert cases(BROKEN) == cases(OPENING) == []
    standing = chains.roll_forward(ReserveChain.objects.get()).standing
    assert (standing.comes_to, standing.difference) == (Decimal("-4.10"), 0)


def test_a_gap_says_which_days_are_awaited_and_a_late_file_mends_it(place):
    take(place, ONE)
    take(place, THREE)
    assert headline(BROKEN) == "Settlement 33 waits for a settlement from 16 Mar to 30 Mar"
    (case,) = cases(BROKEN)
    assert (case.stake, case.currency) == (Decimal("15.50"), "GBP")
    take(place, TWO)
    assert cases(BROKEN) == []


def test_a_reserve_given_back_otherwise_is_said_to_the_cent(place):
    take(place, ONE)
    take(place, payout("32", 1, "79.99", "95.50"))
    assert headline(BROKEN) == "Settlement 32 was given back £79.99, but the one before kept £80.00"
    assert cases(BROKEN)[0].stake == Decimal("0.01")


def test_no_reserve_lines_count_as_nothing(place):
    for n in range(3):
        take(place, payout(f"3{n}", n))
    assert cases(BROKEN) == cases(OPENING) == []
    take(place, payout("33", 3, "12.00"))
    assert headline(BROKEN) == "Settlement 33 was given back £12.00, but the one before kept £0.00"


def test_several_chains_run_at_once_in_one_account(place):
    files = [
        payout("41", 0, kept="80.00", market="Amazon.de"),
        payout("51", 0, kept="80.00", market="Amazon.fr", since=FIRST + timedelta(days=3)),
        payout("42", 1, "80.00", "20.00", market="Amazon.de"),
        payout("52", 1, "80.00", "30.00", market="Amazon.fr", since=FIRST + timedelta(days=3)),
    ]
    for file in reversed(files):
        take(place, file)
    assert in_chains() == {frozenset({"41", "42"}), frozenset({"51", "52"})}
    assert set(ReserveChain.objects.values_list("name", flat=True)) == {"Amazon.de", "Amazon.fr"}
    assert cases(BROKEN) == []


def test_two_payout_groups_of_one_marketplace_are_two_chains(place):
    for file in (payout("41", 0, kept="80.00"), payout("51", 0, kept="7.00"),
                 payout("42", 1, "80.00", "1.00"), payout("52", 1, "7.00", "2.00")):  # fmt: skip
        take(place, file)
    assert in_chains() == {frozenset({"41", "42"}), frozenset({"51", "52"})}
    assert set(ReserveChain.objects.values_list("name", flat=True)) == {"Amazon.co.uk", "Amazon.co.uk 2"}
    assert not ChainLink.objects.filter(doubtful=True).exists()


def test_other_currencies_and_connections_keep_to_themselves(place):
    other = ConnectionFactory(entity=place.entity)
    take(place, ONE)
    take(other, payout("42", 1, "80.00"))
    take(place, TWO.but(settlement_id="62", currency="EUR"))
    assert in_chains() == {frozenset({"31"}), frozenset({"42"}), frozenset({"62"})}


def test_a_file_in_the_middle_of_a_confirmed_chain_goes_into_it(place, priya):
    take(place, ONE)
    take(place, THREE)
    chain = ReserveChain.objects.get()
    chain_changes.confirm_chain(chain=chain, actor=priya)
    take(place, TWO)
    assert in_chains() == {frozenset({"31", "32", "33"})}
    assert set(ChainLink.objects.values_list("settlement__settlement_id", "placed_by")) == {
        ("31", priya.pk), ("32", None), ("33", priya.pk),
    }  # fmt: skip


def test_a_version_read_again_is_held_against_the_others(place):
    take(place, ONE.but(total="1.00"))
    take(place, TWO)
    assert [case.subject for case in cases(BROKEN)] == []
    assert headline(OPENING) == "Settlement 32 was given back £80.00 that no settlement here kept"
    take(place, payout("31", 0, kept="70.00"))
    assert cases(OPENING) == []
    assert headline(BROKEN) == "Settlement 32 was given back £80.00, but the one before kept £70.00"


def test_a_held_file_of_the_awaited_days_is_named(place):
    take(place, ONE)
    take(place, TWO.but(total="1.00"))
    take(place, THREE)
    (case,) = cases(BROKEN)
    assert case.facts["held"] == ["32"]


def test_the_opening_is_proposed_previewed_and_confirmed(place, priya):
    take(place, TWO)
    (case,) = cases(OPENING)
    (action,) = case.kind.actions
    suggested = action.form(case, priya)
    assert suggested["amount"].value() == Decimal("80.00")
    data = {"amount": "80.00", "reason": "Trial balance of February"}
    _, found = plan(case=case, action=action, actor=priya, data=data)
    assert found.detail["the reserve then comes to"] == "£95.50"
    assert found.detail["difference"] == "£0.00"
    perform(case=case, action=action, actor=priya, data=data, digest=found.digest)
    assert cases(OPENING) == cases(BROKEN) == []
    chain = ReserveChain.objects.get()
    assert (chain.opening, chain.opening_by) == (Decimal("80.00"), priya)
    entry = AuditEntry.objects.about(f"chain:{chain.pk}").get()
    assert (entry.after["opening"], entry.reason) == ("80.00", "Trial balance of February")


def test_an_earlier_file_after_the_opening_was_confirmed_breaks_it_openly(place, priya):
    take(place, TWO)
    chain = ReserveChain.objects.get()
    chain_changes.confirm_opening(chain=chain, amount=Decimal("80.00"), reason="Books", actor=priya)
    take(place, ONE)
    assert headline(BROKEN) == "Settlement 31 was given back £0.00, but its chain was opened with £80.00"
    (case,) = cases(BROKEN)
    assert [action.name for action in case.kind.actions if action.available(case)] == [
        "confirm-opening", "move-settlement",
    ]  # fmt: skip
    chain_changes.confirm_opening(chain=chain, amount=Decimal(0), reason="It began here", actor=priya)
    settle(place.entity)
    assert cases(BROKEN) == []


def test_what_a_person_moved_stays_there(place, priya):
    for file in (payout("41", 0, kept="50.00"), payout("51", 0, kept="50.00"),
                 payout("42", 1, "50.00", "1.00"), payout("52", 1, "50.00", "2.00")):  # fmt: skip
        take(place, file)
    assert set(ChainLink.objects.filter(doubtful=True).values_list("settlement__settlement_id", flat=True)) == {
        "42",
        "52",
    }
    first, second = ReserveChain.objects.order_by("pk")
    wrong = Settlement.objects.get(settlement_id="42")
    planned = chain_changes.plan_move(first, "42", second, "")
    assert planned.detail[f"{second.name}, after"] == "3 settlements, 1 broken"
    chain_changes.move_settlement(settlement=wrong, to=second, reason="The statement says so", actor=priya)
    chain_changes.move_settlement(
        settlement=Settlement.objects.get(settlement_id="52"), to=first, reason="And the other", actor=priya
    )
    settle(place.entity)
    assert in_chains() == {frozenset({"41", "52"}), frozenset({"51", "42"})}
    take(place, payout("43", 2, "1.00", "9.00"))
    assert in_chains() == {frozenset({"41", "52"}), frozenset({"51", "42", "43"})}
    assert not ChainLink.objects.filter(doubtful=True).exists()
    assert cases(BROKEN) == []


def test_a_settlement_moves_to_a_new_chain_and_an_empty_proposal_goes(place, priya):
    take(place, ONE)
    old = ReserveChain.objects.get()
    settlement = Settlement.objects.get()
    with pytest.raises(Refused, match="in this chain already"):
        chain_changes.move_settlement(settlement=settlement, to=old, reason="?", actor=priya)
    with pytest.raises(Refused, match="name"):
        chain_changes.plan_move(old, "31", None, " ")
    chain_changes.move_settlement(settlement=settlement, to=None, name="Invoiced orders", reason="Group 2", actor=priya)
    assert list(ReserveChain.objects.values_list("name", flat=True)) == ["Invoiced orders"]


def test_a_chain_keeps_to_its_currency(place, priya):
    take(place, ONE)
    take(place, TWO.but(currency="EUR"))
    pounds, euros = ReserveChain.objects.get(currency="GBP"), ReserveChain.objects.get(currency="EUR")
    with pytest.raises(Refused, match="one connection and currency"):
        chain_changes.plan_move(pounds, "31", euros, "")


def test_only_finance_changes_chains(place):
    take(place, TWO)
    chain, reader = ReserveChain.objects.get(), person(Role.ADMIN, place.entity)
    for change in (
        lambda: chain_changes.confirm_chain(chain=chain, actor=reader),
        lambda: chain_changes.confirm_opening(chain=chain, amount=Decimal(1), reason="x", actor=reader),
        lambda: chain_changes.end_chain(chain=chain, reason="x", actor=reader),
        lambda: chain_changes.move_settlement(
            settlement=Settlement.objects.get(), to=None, name="New", reason="x", actor=reader
        ),
    ):
        with pytest.raises(NotAllowed):
            change()
    assert ReserveChain.objects.get().confirmed_by is None


def days_ago(number: str, start: int, end: int, **more) -> File:
    file = File(settlement_id=number, lines=(*SALE, *reserve(**more)))
    today = date.today()
    return file.of_days(today - timedelta(days=start), today - timedelta(days=end))


def test_after_sixteen_days_without_a_settlement_one_is_missing(place):
    take(place, days_ago("71", 30, 14, kept="12.00"))
    assert cases(MISSING) == []
    take(place, days_ago("72", 14, 13, given_back="12.00", kept="9.00"))
    take(place, days_ago("81", 40, 17, kept="5.00").but(currency="EUR"))
    (case,) = cases(MISSING)
    assert (case.stake, case.currency, case.diagnosis) == (Decimal("5.00"), "EUR", "transient")
    assert case.subject == f"{place.name} | EUR | Amazon.co.uk"
    assert case.kind.headline(case).startswith(f"No settlement of {place.name}, chain Amazon.co.uk, is here after")
    take(place, days_ago("82", 17, 3, given_back="5.00").but(currency="EUR"))
    assert cases(MISSING) == []


def test_a_later_file_that_is_held_is_not_missing(place):
    take(place, days_ago("71", 40, 20, kept="12.00"))
    assert len(cases(MISSING)) == 1
    take(place, days_ago("72", 20, 6).but(total="1.00"))
    assert cases(MISSING) == []


def test_an_ended_chain_awaits_nothing_until_it_goes_on(place, priya):
    take(place, days_ago("71", 40, 20, kept="12.00"))
    (case,) = cases(MISSING)
    (action,) = case.kind.actions
    data = {"reason": "The account was closed in spring"}
    _, found = plan(case=case, action=action, actor=priya, data=data)
    perform(case=case, action=action, actor=priya, data=data, digest=found.digest)
    case.refresh_from_db()
    assert (case.state, cases(MISSING)) == ("resolved", [])
    sweep(MISSING, Scope(entity=place.entity))
    assert cases(MISSING) == []


def test_the_place_of_a_settlement(place):
    for file in (ONE, TWO):
        take(place, file)
    take(place, THREE.but(total="1.00"))
    assert [
        chains.chain_of(each) and chains.chain_of(each).words for each in Settlement.objects.order_by("start_at")
    ] == [
        "It opens the chain, and was given back nothing",
        "It was given back the £80.00 that 31 kept",
        None,
    ]


def test_detecting_asks_as_often_for_many_settlements_as_for_one(place):
    def asked() -> int:
        with CaptureQueriesContext(database) as queries:
            for code in chains.TYPES:
                list(REGISTRY[code].detect(Scope(entity=place.entity)))
        return len(queries)

    take(place, ONE)
    one = asked()
    for n in range(1, 9):
        take(place, payout(f"4{n}", n, market=f"Amazon.{'abc'[n % 3]}"))
    assert asked() == one == 2 * len(chains.TYPES)


def test_real_files_make_no_nonsense(place, record_property):
    for path in ("settlement-us-2017/SC_test_File.txt", "settlement-de-2024/DE_EUR_2024-09-13_v2.txt"):
        take(place, sample(path).read_bytes())
    assert sorted(ReserveChain.objects.values_list("name", "currency")) == [("Amazon.com", "USD"), ("Amazon.de", "EUR")]
    assert headline(OPENING) == "Settlement 22988491762 was given back €183.75 that no settlement here kept"
    assert cases(BROKEN) == []
    german = ReserveChain.objects.get(currency="EUR")
    assert chains.roll_forward(german).standing.kept == Decimal("182.01")


def test_spelling_and_extra_lines_do_not_matter(place):
    shouted = tuple(row | {"amount-description": row["amount-description"].upper()} for row in reserve(kept="3.00"))
    twice = (*reserve(kept="80.00"), line("0.00"), *reserve(kept="-1.50"))
    file = File(settlement_id="91", lines=(*SALE, *shouted, *twice)).of_days(FIRST, FIRST + timedelta(days=14))
    take(place, file)
    assert chains.roll_forward(ReserveChain.objects.get()).standing.kept == Decimal("81.50")
