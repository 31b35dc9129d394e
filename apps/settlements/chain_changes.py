"""What people change about reserve chains: what each change would do, and the doing of it, audited.

Each plan is computed from the files that are taken and from what is about to change. Nothing here touches a journal. The
caller sweeps `chains.TYPES` afterwards, in the same transaction.
"""

from collections.abc import Iterable
from decimal import Decimal

from django.db import transaction
from django.db.models.functions import Now

from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.money import plain, words
from apps.core.permissions import KEEP_CHAINS, check_may
from apps.exceptions.types import Plan, digest
from apps.settlements import chain_rules as rules
from apps.settlements import chains
from apps.settlements.chain_words import links_words
from apps.settlements.chains import RollForward
from apps.settlements.models import ChainLink, ReserveChain, Settlement
from apps.settlements.resolutions import lock_mapping, settle


def plan_confirm(chain: ReserveChain) -> Plan:
    """What confirming the chain as it stands would do."""
    rolled = _filled(chain)
    stays = " What does not hold stays an exception." if rolled.stopped else ""
    return Plan(
        effect="Confirm this chain",
        says=f"Its settlements stay in it whatever comes later. No journal changes.{stays}",
        digest=digest("confirm", _state(rolled)),
        detail={"before": _confirmed_words(rolled), "after": "all placed by you", "links": rolled.words},
    )


@transaction.atomic
def confirm_chain(*, chain: ReserveChain, actor: User) -> str:
    """Say that its settlements belong together: none of them is moved by itself any more."""
    entity = _begin(chain, actor)
    _settle([chain.pk], actor)
    ReserveChain.objects.filter(pk=chain.pk).update(confirmed_by=actor, confirmed_at=Now())
    links = chains.roll_forward(chain).links
    _record(entity, chain, actor, "chain.confirmed", after={"settlements": [linked.payout.id for linked in links]})
    return f"Confirmed. The chain {chain.name} has {links_words(links)}."


def plan_opening(chain: ReserveChain, amount: Decimal) -> Plan:
    """What the reserve account would start with, and what it then comes to against the last file."""
    rolled = _filled(chain)
    currency, first = chain.currency, rolled.first.payout
    after = rules.standing([linked.payout for linked in rolled.links], amount)
    off = amount - first.given_back
    warning = (
        f" Settlement {first.id} was given back {words(abs(off), currency)} {'less' if off > 0 else 'more'}."
        if off
        else ""
    )
    return Plan(
        effect=f"Open the chain with {words(amount, currency)}",
        says=f"The reserve account is to start with {words(amount, currency)} before {first.id}.{warning} No journal changes.",
        digest=digest("opening", amount, _state(rolled)),
        detail={
            "opening now": "not confirmed" if chain.opening is None else words(chain.opening, currency),
            "opening then": words(amount, currency),
            f"given back to {first.id}": words(first.given_back, currency),
            "all movements since": words(after.movements, currency),
            "the reserve then comes to": words(after.comes_to, currency),
            f"kept by {rolled.last.id}, the last": words(after.kept, currency),
            "difference": words(after.difference, currency),
        },
    )


@transaction.atomic
def confirm_opening(*, chain: ReserveChain, amount: Decimal, reason: str, actor: User) -> str:
    """Say what the reserve account holds before the first settlement of the chain."""
    entity = _begin(chain, actor)
    before = None if chain.opening is None else plain(chain.opening, chain.currency)
    ReserveChain.objects.filter(pk=chain.pk).update(opening=amount, opening_by=actor, opening_at=Now())
    after = {"opening": plain(amount, chain.currency), "currency": chain.currency}
    _record(entity, chain, actor, "chain.opened", before={"opening": before}, after=after, reason=reason)
    return f"Confirmed. The chain {chain.name} opens with {words(amount, chain.currency)}."


def plan_move(chain: ReserveChain, settlement_id: str, to: ReserveChain | None, name: str) -> Plan:
    """Both chains before and after. `to` None: a new chain called `name`."""
    source, target = _rolled(chain), _rolled(to) if to else None
    moved = [linked.payout for linked in source.links if linked.payout.id == settlement_id]
    _check_move(chain, moved, to, name)
    stay = [linked.payout for linked in source.links if linked.payout.id != settlement_id]
    joined = [*(linked.payout for linked in target.links), *moved] if target else moved
    called = to.name if to else name
    return Plan(
        effect=f"Move {settlement_id} to {called}",
        says=f"The other settlements of {'both chains' if to else chain.name} then stay where they are. No journal changes.",
        digest=digest("move", settlement_id, to and to.pk, name, _state(source), target and _state(target)),
        detail={
            f"{chain.name}, before": source.words,
            f"{chain.name}, after": _words_of(stay, chain.opening) if stay else "no settlement is left",
            f"{called}, before": target.words if target else "a new chain",
            f"{called}, after": _words_of(joined, to.opening if to else None),
        },
    )


@transaction.atomic
def move_settlement(
    *, settlement: Settlement, to: ReserveChain | None, name: str = "", reason: str, actor: User
) -> str:
    """Put a settlement into another chain of its connection and currency, or into a new one called `name`.

    Who moves one has seen both chains: all their settlements count as placed from then on.
    """
    chain = ReserveChain.objects.select_related("connection__entity").get(links__settlement=settlement)
    entity = _begin(chain, actor)
    _check_move(chain, [settlement], to, name)
    target = to or ReserveChain.objects.create(connection=chain.connection, currency=chain.currency, name=name)
    ChainLink.objects.filter(settlement=settlement).update(chain=target)
    _settle([chain.pk, target.pk], actor)
    left = {"settlement": settlement.settlement_id, "chain": chain.name}
    joined = {"settlement": settlement.settlement_id, "chain": target.name}
    for each in (chain, target):
        _record(entity, each, actor, "chain.settlement-moved", before=left, after=joined, reason=reason)
    chains.drop_empty(chain.connection)
    return f"Moved. Settlement {settlement.settlement_id} is in {target.name}."


def plan_end(chain: ReserveChain) -> Plan:
    rolled = _filled(chain)
    kept = words(rolled.standing.kept, chain.currency)
    return Plan(
        effect="End the chain",
        says=f"No settlement is awaited after {rolled.last.id}. The {kept} that it kept stay on the reserve account.",
        digest=digest("end", _state(rolled)),
    )


@transaction.atomic
def end_chain(*, chain: ReserveChain, reason: str, actor: User) -> str:
    """Say that no settlement follows. One that comes all the same goes on with it."""
    entity = _begin(chain, actor)
    ReserveChain.objects.filter(pk=chain.pk).update(ended_by=actor, ended_at=Now())
    _record(entity, chain, actor, "chain.ended", reason=reason)
    return f"Ended. No settlement is awaited in {chain.name}."


def _begin(chain: ReserveChain, actor: User) -> Entity:
    entity = chain.entity
    check_may(actor, KEEP_CHAINS, entity)
    lock_mapping(entity.pk)
    return entity


def _rolled(chain: ReserveChain) -> RollForward:
    settle(chain.entity_id)
    return chains.roll_forward(chain)


def _filled(chain: ReserveChain) -> RollForward:
    rolled = _rolled(chain)
    if not rolled.links:
        raise Refused("No settlement is in this chain, so there is nothing to do.", code="chain-empty")
    return rolled


def _state(rolled: RollForward) -> list[tuple]:
    """What a plan depends on, in an order that is the same in every process."""
    chain = rolled.chain
    return [
        (chain.pk, chain.opening, chain.confirmed_at, chain.ended_at),
        *((each.payout.when, each.payout.given_back, each.payout.kept, each.placed) for each in rolled.settled),
    ]


def _check_move(chain: ReserveChain, moved: list, to: ReserveChain | None, name: str) -> None:
    same = ReserveChain.objects.filter(connection=chain.connection_id, currency=chain.currency)
    if not moved:
        raise Refused("This settlement is not in the chain any more.", field="settlement", code="not-there")
    if to == chain:
        raise Refused("It is in this chain already.", field="to", code="same-chain")
    if to and not same.filter(pk=to.pk).exists():
        raise Refused("A chain keeps to one connection and currency.", field="to", code="other-currency")
    if not to and not name.strip():
        raise Refused("Give the new chain a name.", field="name", code="no-name")
    if not to and same.filter(name=name).exists():
        raise Refused(f"A chain is called {name} already. Choose it above.", field="name", code="name-taken")


def _settle(chain_ids: Iterable[int], actor: User) -> None:
    """What nobody placed in these chains counts as placed by this person."""
    ChainLink.objects.filter(chain__in=chain_ids, placed_by=None).update(placed_by=actor, doubtful=False)


def _confirmed_words(rolled: RollForward) -> str:
    return f"{rolled.proposed} proposed, {len(rolled.links) - rolled.proposed} placed by a person"


def _words_of(payouts: Iterable[rules.Payout], opening: Decimal | None) -> str:
    return links_words(rules.links(payouts, opening))


def _record(
    entity: Entity, chain: ReserveChain, actor: User, verb: str, *, before: dict | None = None,
    after: dict | None = None, reason: str = "",
) -> None:  # fmt: skip
    AuditEntry.objects.record(
        actor=actor, entity=entity, verb=verb, subject=f"chain:{chain.pk}", before=before, after=after, reason=reason
    )
