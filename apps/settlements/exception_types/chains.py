"""What is wrong with a reserve chain: a link that does not hold, an opening nobody confirmed, a settlement that is late."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from apps.core.models import User
from apps.core.money import plain, words
from apps.core.permissions import KEEP_CHAINS, Team
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import Action, ExceptionType, Finding, Runbook, Scope, register
from apps.settlements import chains
from apps.settlements.chain_forms import END, MOVE, OPENING, Change, MoveForm
from apps.settlements.chain_rules import Link, Linked, Payout
from apps.settlements.chain_words import days_words
from apps.settlements.chains import RollForward
from apps.settlements.models import ReserveChain


def chain_subject(chain: ReserveChain) -> str:
    return f"{chain.connection.name} | {chain.currency} | {chain.name}"


def broken_links(scope: Scope) -> Iterator[Finding]:
    """One finding for each settlement that was given back something else than the one before kept, or after a gap."""
    for rolled in chains.of_entity(scope.entity):
        for linked in rolled.stopped:
            yield _broken(rolled, linked)


def _broken(rolled: RollForward, linked: Linked) -> Finding:
    currency = rolled.chain.currency
    facts = _chain_facts(rolled) | {
        "settlement": _payout_facts(linked.payout, currency),
        "before": _payout_facts(linked.before, currency) if linked.before else None,
        "expected": plain(linked.expected, currency),
        "difference": plain(linked.difference, currency),
        "gap": None,
    }
    if linked.link == Link.GAP:
        facts["gap"] = [linked.before.end.isoformat(), linked.payout.start.isoformat()]
        facts["held"] = [payout.id for payout in rolled.held_within(linked)]
    return Finding(subject=linked.payout.id, currency=currency, stake=abs(linked.difference), facts=facts)


def unconfirmed_openings(scope: Scope) -> Iterator[Finding]:
    """One finding for each chain whose first settlement was given back a reserve that no settlement here kept."""
    for rolled in chains.of_entity(scope.entity):
        first = rolled.first
        if first.link == Link.OPENING:
            facts = _chain_facts(rolled) | {"settlement": _payout_facts(first.payout, rolled.chain.currency)}
            yield Finding(
                subject=chain_subject(rolled.chain),
                currency=rolled.chain.currency,
                stake=abs(first.payout.given_back),
                facts=facts,
            )


def overdue_settlements(scope: Scope) -> Iterator[Finding]:
    """One finding for each chain whose last settlement ended 16 days ago, and nothing later is here, not even held."""
    today = timezone.now().astimezone(ZoneInfo(scope.entity.zone)).date()
    for rolled in chains.of_entity(scope.entity):
        last = rolled.last
        later_is_held = any(payout.end > last.end for payout in rolled.held)
        if today - last.end < chains.DUE_EVERY or later_is_held or _ended(rolled):
            continue
        facts = _chain_facts(rolled) | {
            "settlement": _payout_facts(last, rolled.chain.currency),
            "due": (last.end + chains.DUE_EVERY).isoformat(),
        }
        yield Finding(
            subject=chain_subject(rolled.chain), currency=rolled.chain.currency, stake=abs(last.kept), facts=facts
        )


def _ended(rolled: RollForward) -> bool:
    """What a person ended goes on with a settlement that ends later."""
    zone = ZoneInfo(rolled.chain.entity.zone)
    return rolled.chain.ended_at is not None and rolled.last.end <= rolled.chain.ended_at.astimezone(zone).date()


def _chain_facts(rolled: RollForward) -> dict[str, Any]:
    chain = rolled.chain
    return {
        "chain_id": chain.pk,
        "chain": chain.name,
        "connection_id": chain.connection_id,
        "connection": chain.connection.name,
        "confirmed": chain.confirmed_at is not None,
    }


def _payout_facts(payout: Payout, currency: str) -> dict[str, str]:
    return {
        "id": payout.id,
        "start": payout.start.isoformat(),
        "end": payout.end.isoformat(),
        "given_back": plain(payout.given_back, currency),
        "kept": plain(payout.kept, currency),
    }


def _action(change: Change) -> Action:
    """A change of a chain as the action of a case about it."""
    return Action(
        name=change.name,
        label=change.label,
        permission=KEEP_CHAINS,
        form=lambda case, actor, data=None: change.form(_chain(case), actor, data),
        preview=lambda case, actor, cleaned: change.preview(_chain(case), actor, cleaned),
        run=lambda case, actor, cleaned: change.run(_chain(case), actor, cleaned),
        clears=chains.TYPES,
    )


def _move_form(case: Case, actor: User, data: Any = None) -> MoveForm:
    return MoveForm(_chain(case), actor, data, settlement=case.subject)


def _chain(case: Case) -> ReserveChain:
    chains_here = ReserveChain.objects.select_related("connection__entity").filter(connection__entity=case.entity_id)
    return chains_here.get(pk=case.facts["chain_id"])


def _is_first(case: Case) -> bool:
    return case.facts["before"] is None


CONFIRM_OPENING, END_CHAIN = _action(OPENING), _action(END)
MOVE_SETTLEMENT = replace(_action(MOVE), form=_move_form)
CORRECT_OPENING = replace(CONFIRM_OPENING, label="Correct the opening reserve", available=_is_first)


def _broken_headline(case: Case) -> str:
    facts, money = case.facts, _money(case)
    if facts["gap"]:
        since, until = (date.fromisoformat(day) for day in facts["gap"])
        return f"Settlement {case.subject} waits for a settlement from {days_words(since, until)}"
    given_back = f"Settlement {case.subject} was given back {money(facts['settlement']['given_back'])}"
    if facts["before"] is None:
        return f"{given_back}, but its chain was opened with {money(facts['expected'])}"
    return f"{given_back}, but the one before kept {money(facts['expected'])}"


def _opening_headline(case: Case) -> str:
    first = case.facts["settlement"]
    given_back = _money(case)(first["given_back"])
    return f"Settlement {first['id']} was given back {given_back} that no settlement here kept"


def _missing_headline(case: Case) -> str:
    last = date.fromisoformat(case.facts["settlement"]["end"])
    connection, chain = case.facts["connection"], case.facts["chain"]
    where = connection if connection.casefold() == chain.casefold() else f"{connection}, chain {chain},"
    return f"No settlement of {where} is here after {last.day} {last:%b}"


def _money(case: Case) -> Callable[[str], str]:
    return lambda text: words(Decimal(text), case.currency)


RESERVE_CHAIN_BROKEN = register(ExceptionType(
    code="settlement.reserve-chain-broken",
    title="Reserve was not given back as it was kept",
    team=Team.FINANCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=False,
    floor=Decimal(50),
    respond_within=timedelta(days=3),
    detect=broken_links,
    headline=_broken_headline,
    panel="cases/chain.html",
    actions=(CORRECT_OPENING, MOVE_SETTLEMENT),
    runbook=Runbook(
        impact="Nothing is held. But the reserve account no longer says what Amazon holds, and a payout may be missing.",
        steps=(
            "Where days are missing, download the settlement of those days from Seller Central and upload it.",
            "Where none is missing, look whether the settlement belongs to another chain of the account, and move it.",
            "Where the file of the settlement before is an old one, download that one again.",
            "Approving the journals is possible meanwhile, with a warning.",
        ),
        prevention="Upload every settlement, also those that pay nothing out.",
        escalate="To Amazon's seller support when two settlements that follow each other differ in fresh downloads.",
    ),
))  # fmt: skip

OPENING_BALANCE = register(ExceptionType(
    code="settlement.opening-balance",
    title="Opening reserve is not confirmed",
    team=Team.FINANCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=False,
    floor=Decimal(25),
    respond_within=timedelta(days=10),
    detect=unconfirmed_openings,
    headline=_opening_headline,
    panel="cases/chain.html",
    actions=(CONFIRM_OPENING,),
    runbook=Runbook(
        impact="Until the reserve account starts with this amount, it is short by it.",
        steps=(
            "Look what your books hold as Amazon's reserve on the day before this settlement begins.",
            "If they hold the same, confirm it here. If not, post the opening balance in your books first.",
            "If an earlier settlement exists, upload it instead: the chain then begins with that one.",
        ),
        prevention="None needed: each chain has one first settlement.",
        escalate="To whoever kept the books before, when they show another reserve.",
    ),
))  # fmt: skip

MISSING = register(ExceptionType(
    code="settlement.missing",
    title="No settlement came for 16 days",
    team=Team.FINANCE,
    diagnosis=Diagnosis.TRANSIENT,
    holds_back=False,
    floor=Decimal(100),
    respond_within=timedelta(days=2),
    detect=overdue_settlements,
    headline=_missing_headline,
    panel="cases/chain.html",
    actions=(END_CHAIN,),
    runbook=Runbook(
        impact="A payout may be on the bank account that the books do not know of.",
        steps=(
            "Look in Seller Central, Payments, Reports repository, for a settlement after the last one here.",
            "Download it as flat file V2 and upload it. This case ends when it is taken.",
            "If the account was closed, or sells here no more, say that this chain has ended.",
        ),
        prevention="Upload settlements when Amazon announces the payout, every two weeks.",
        escalate="To Amazon's seller support when Seller Central shows no settlement for more than a month of sales.",
    ),
))  # fmt: skip
