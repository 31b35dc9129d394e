"""Reserve chains as the taken files have them: read from roll-ups, proposed, and held against each other."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import chain, count

from django.db import connection as database

from apps.core.models import Entity
from apps.integrations.models import Connection
from apps.settlements import chain_rules as rules
from apps.settlements.chain_rules import Link, Linked, Payout, Standing
from apps.settlements.chain_words import link_words, links_words
from apps.settlements.models import ChainLink, ReserveChain, Settlement

TYPES = ("settlement.missing", "settlement.opening-balance", "settlement.reserve-chain-broken")
NO_MARKETPLACE = "No marketplace"
NAME_SHOWN = 100
DUE_EVERY = timedelta(days=16)

# The version that counts is the taken one, else the newest that is held: it is here, but in no chain. Names such as
# "SI UK Prod Marketplace" and "Non-Amazon" stand in files of every marketplace and tell none apart.
SETTLED = """
    SELECT settlement.id, settlement.settlement_id, settlement.connection_id, settlement.currency,
           (settlement.start_at AT TIME ZONE entity.zone)::date, (settlement.end_at AT TIME ZONE entity.zone)::date,
           counts.state = 'taken', chain.id, chain.id IS NOT NULL AND link.placed_by_id IS NOT NULL,
           coalesce(link.doubtful, false),
           sums.given_back, sums.kept, sums.marketplaces
    FROM settlements_settlement settlement
    JOIN core_entity entity ON entity.id = settlement.entity_id
    JOIN LATERAL (SELECT version.id, version.state FROM settlements_settlementversion version
                  WHERE version.settlement_id = settlement.id AND version.state IN ('taken', 'held')
                  ORDER BY version.state = 'taken' DESC, version.number DESC LIMIT 1) counts ON true
    LEFT JOIN settlements_chainlink link ON link.settlement_id = settlement.id
    LEFT JOIN settlements_reservechain chain ON chain.id = link.chain_id AND chain.currency = settlement.currency
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(cell.credit - cell.debit) FILTER (
                   WHERE lower(trim(signature.amount_description)) = 'previous reserve amount balance'), 0) AS given_back,
               coalesce(sum(cell.debit - cell.credit) FILTER (
                   WHERE lower(trim(signature.amount_description)) = 'current reserve amount'), 0) AS kept,
               coalesce(array_agg(DISTINCT lower(trim(signature.marketplace))) FILTER (
                   WHERE signature.marketplace ILIKE 'amazon.%%'), '{}') AS marketplaces
        FROM settlements_rollup cell JOIN settlements_feesignature signature ON signature.id = cell.signature_id
        WHERE cell.version_id = counts.id) sums
    WHERE settlement.entity_id = ANY(%(entities)s)
        AND (%(connection)s::bigint IS NULL OR settlement.connection_id = %(connection)s)
    ORDER BY settlement.start_at, settlement.end_at, settlement.settlement_id
"""


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A settlement with its reserve. `taken` False: its file is held, so it counts in no chain."""

    pk: int
    connection_id: int
    currency: str
    taken: bool
    chain_id: int | None
    placed: bool
    doubtful: bool
    payout: Payout


@dataclass(frozen=True, kw_only=True)
class RollForward:
    """A chain with its settlements in order; `held` are those that are here and wait for a file that adds up."""

    chain: ReserveChain
    settled: tuple[Settled, ...]
    links: tuple[Linked, ...]
    held: tuple[Payout, ...] = ()

    @property
    def rows(self) -> list[tuple[Settled, Linked]]:
        return list(zip(self.settled, self.links, strict=True))

    @property
    def first(self) -> Linked:
        return self.links[0]

    @property
    def last(self) -> Payout:
        return self.links[-1].payout

    @property
    def stopped(self) -> list[Linked]:
        return [linked for linked in self.links if linked.link in (Link.BROKEN, Link.GAP)]

    @property
    def proposed(self) -> int:
        """How many of its settlements nobody has put there."""
        return sum(not settled.placed for settled in self.settled)

    @property
    def standing(self) -> Standing:
        return rules.standing([linked.payout for linked in self.links], self.chain.opening)

    @property
    def words(self) -> str:
        return links_words(self.links)

    def held_within(self, linked: Linked) -> list[Payout]:
        """The held settlements of the days that a gap waits for."""
        since, until = linked.before.end, linked.payout.start
        return [payout for payout in self.held if since <= payout.start and payout.end <= until]


def roll_forwards(chains: Iterable[ReserveChain], settled: Iterable[Settled]) -> list[RollForward]:
    """The chains, in their order, with what `settled` says of each."""
    taken: dict[int, list[Settled]] = defaultdict(list)
    held: dict[tuple[int, str], list[Payout]] = defaultdict(list)
    for each in settled:
        if not each.taken:
            held[each.connection_id, each.currency].append(each.payout)
        elif each.chain_id is not None:
            taken[each.chain_id].append(each)
    return [_rolled(chain, taken[chain.pk], held[chain.connection_id, chain.currency]) for chain in chains]


def _rolled(chain: ReserveChain, settled: list[Settled], held: list[Payout]) -> RollForward:
    mine = sorted(settled, key=lambda each: each.payout.when)
    names = frozenset().union(*(each.payout.marketplaces for each in mine))
    near = [each for each in held if not names or not each.marketplaces or names & each.marketplaces]
    links = rules.links([each.payout for each in mine], chain.opening)
    return RollForward(chain=chain, settled=tuple(mine), links=tuple(links), held=tuple(near))


def of_entity(entity: Entity) -> list[RollForward]:
    """All chains of a company that have a settlement, in two queries."""
    chains = ReserveChain.objects.filter(connection__entity=entity).select_related("connection__entity")
    return [rolled for rolled in roll_forwards(chains, read([entity.pk])) if rolled.links]


def roll_forward(chain: ReserveChain) -> RollForward:
    (rolled,) = roll_forwards([chain], read([chain.entity_id], chain.connection))
    return rolled


def read(entity_ids: Collection[int], connection: Connection | None = None) -> list[Settled]:
    """The settlements of these companies, or of one connection, in order of time: one query over their roll-ups."""
    with database.cursor() as cursor:
        cursor.execute(SETTLED, {"entities": list(entity_ids), "connection": connection.pk if connection else None})
        return [_settled(*row) for row in cursor.fetchall()]


def _settled(
    pk: int, settlement_id: str, connection_id: int, currency: str, start: date, end: date, taken: bool,
    chain_id: int | None, placed: bool, doubtful: bool, given_back: Decimal, kept: Decimal, names: list[str],
) -> Settled:  # fmt: skip
    payout = Payout(
        id=settlement_id, start=start, end=end, marketplaces=frozenset(names), given_back=given_back, kept=kept,
        chain=chain_id if placed else None,
    )  # fmt: skip
    return Settled(
        pk=pk, connection_id=connection_id, currency=currency, taken=taken, chain_id=chain_id, placed=placed,
        doubtful=doubtful, payout=payout,
    )  # fmt: skip


def propose(connection: Connection) -> None:
    """Put each taken settlement of the connection that no person placed into the chain it seems to belong to.

    The caller holds `lock_mapping` of the company.
    """
    by_currency: dict[str, list[Settled]] = defaultdict(list)
    for each in read([connection.entity_id], connection):
        if each.taken:
            by_currency[each.currency].append(each)
    for currency, settled in by_currency.items():
        _propose(connection, currency, settled)
    drop_empty(connection)


def drop_empty(connection: Connection) -> None:
    """Chains without a settlement go, but for those that a person confirmed or opened."""
    ReserveChain.objects.filter(connection=connection, links=None, confirmed_by=None, opening=None).delete()


def _propose(connection: Connection, currency: str, settled: list[Settled]) -> None:
    by_id = {each.payout.id: each for each in settled}
    proposals, doubtful = rules.propose(each.payout for each in settled)
    chains = _chains_for(proposals, by_id)
    wanted: list[ChainLink] = []
    for proposal, found in zip(proposals, chains, strict=True):
        chain_id = found or _new_chain(connection, currency, proposal.marketplaces).pk
        for payout in proposal.payouts:
            now, in_doubt = by_id[payout.id], payout.id in doubtful
            if not now.placed and (now.chain_id, now.doubtful) != (chain_id, in_doubt):
                wanted.append(ChainLink(settlement_id=now.pk, chain_id=chain_id, doubtful=in_doubt))
    ChainLink.objects.bulk_create(
        wanted, update_conflicts=True, unique_fields=["settlement"], update_fields=["chain", "doubtful"]
    )


def _chains_for(proposals: list[rules.Proposal], by_id: dict[str, Settled]) -> list[int | None]:
    """For each proposal the chain that a person named, else the one that most of its settlements are in, else none yet."""
    found = [proposal.chain for proposal in proposals]
    votes = [
        (-many, chain_id, place)
        for place, proposal in enumerate(proposals) if proposal.chain is None
        for chain_id, many in Counter(by_id[payout.id].chain_id for payout in proposal.payouts).items() if chain_id
    ]  # fmt: skip
    for _, chain_id, place in sorted(votes):
        if found[place] is None and chain_id not in found:
            found[place] = chain_id
    return found


def _new_chain(connection: Connection, currency: str, marketplaces: frozenset[str]) -> ReserveChain:
    """Named after its marketplaces, with a number where a chain has that name already."""
    name = ", ".join(each.capitalize() for each in sorted(marketplaces))[:NAME_SHOWN] or NO_MARKETPLACE
    chains = ReserveChain.objects.filter(connection=connection, currency=currency)
    taken = set(chains.values_list("name", flat=True))
    names = chain([name], (f"{name} {number}" for number in count(2)))
    return chains.create(
        connection=connection, currency=currency, name=next(free for free in names if free not in taken)
    )


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a settlement stands in its chain."""

    chain: ReserveChain
    linked: Linked
    doubtful: bool

    @property
    def holds(self) -> bool:
        return self.linked.link == Link.HOLDS

    @property
    def words(self) -> str:
        return link_words(self.linked, self.chain.currency)


def chain_of(settlement: Settlement) -> Place | None:
    """The settlement's place in its chain; None as long as no version of it is taken."""
    link = ChainLink.objects.filter(settlement=settlement).select_related("chain__connection").first()
    rows = roll_forward(link.chain).rows if link else []
    return next(
        (
            Place(chain=link.chain, linked=linked, doubtful=each.doubtful)
            for each, linked in rows
            if each.pk == settlement.pk
        ),
        None,
    )
