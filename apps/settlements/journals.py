"""The journals of settlements: all of a month, or the difference to what has left of it. The arithmetic is apps.ledger's."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import QuerySet

from apps.core.models import Entity
from apps.core.money import round_half_up
from apps.ledger import rules as ledger
from apps.ledger.corrections import Booked, difference
from apps.ledger.models import TaxClass
from apps.ledger.periods import first_open
from apps.settlements import facts as read_facts
from apps.settlements.facts import Facts, Postings
from apps.settlements.models import Resolution, Settlement, SettlementVersion
from apps.settlements.resolutions import lock_mapping
from apps.settlements.rules import Rule, Span
from apps.settlements.writing import Entry, write

ALL_OF_IT = 1  # the number of a month's first journal; each later one is a difference

Spans = Mapping[int, Sequence[tuple[Span, Rule]]]
"""Signature id -> which rule maps it when."""


@dataclass(frozen=True, kw_only=True)
class Payout:
    """A taken version as it is to be booked: `drafts` are whole months, `entries` the journals still to be written.

    `cells` are the roll-ups that the drafts are made of.
    """

    version: SettlementVersion
    drafts: list[ledger.Draft]
    cells: list[ledger.Portion]
    entries: list[Entry]

    @property
    def settlement(self) -> Settlement:
        return self.version.settlement

    @property
    def complete(self) -> bool:
        return all(entry.draft.complete for entry in self.entries)


def compute(facts: Facts, *, books: ledger.Books | None = None, spans: Spans | None = None) -> list[Payout]:
    """The journals of these versions as they would be written now; `books` and `spans` say what other rules would do."""
    books = books or facts.books
    postings = dict(facts.postings) | {
        signature: [(span, ledger.Posting(rule.account, rule.tax_class)) for span, rule in found]
        for signature, found in (spans or {}).items()
    }
    zone = ZoneInfo(facts.entity.zone)
    return [_payout(facts, version, books, postings, zone) for version in facts.versions]


def _payout(
    facts: Facts, version: SettlementVersion, books: ledger.Books, postings: Postings, zone: ZoneInfo
) -> Payout:
    cells = []
    for signature, day, *figures in facts.cells.get(version.pk, ()):
        posting = next((to for span, to in postings.get(signature, ()) if day in span), None)
        name = facts.names[signature] if posting is None else ""
        cells.append(ledger.Portion(signature, name, day, *figures, posting))
    settlement = version.settlement
    drafts = ledger.drafts(
        cells,
        end=settlement.end_at.astimezone(zone).date(),
        books=books,
        round_half_up=partial(round_half_up, currency=settlement.currency),
    )
    entries = _entries(facts, version, {draft.period: draft for draft in drafts}, books)
    return Payout(version=version, drafts=drafts, cells=cells, entries=entries)


def _entries(
    facts: Facts, version: SettlementVersion, drafts: Mapping[date, ledger.Draft], books: ledger.Books
) -> list[Entry]:
    """Month by month: all of it where nothing has left; else the difference, and no journal where there is none."""
    booked = {month: found for (settlement, month), found in facts.booked.items() if settlement == version.settlement_id}
    found = []
    for month in sorted(drafts.keys() | booked.keys()):
        if month not in booked:
            found.append(_entry(facts, version, month, drafts[month], None))
        elif (rest := difference(month, drafts.get(month), booked[month], books)).lines:
            found.append(_entry(facts, version, month, rest, booked[month]))
    return found


def _entry(facts: Facts, version: SettlementVersion, month: date, draft: ledger.Draft, booked: Booked | None) -> Entry:
    """A difference is posted no earlier than what it corrects. Where a person, or an earlier building, has put a journal in a

    later month, there it stays.
    """
    earliest = max(month, booked.posted) if booked else month
    entry = Entry(
        version=version,
        month=month,
        number=booked.number + 1 if booked else ALL_OF_IT,
        corrects=booked.newest if booked else None,
        draft=draft,
        period=first_open(earliest, facts.locked) if booked else month,
    )
    standing = facts.standing.get(entry.key)
    if standing and standing.period > month:
        return replace(entry, period=max(standing.period, earliest))
    return entry


def buildable(entity: Entity) -> QuerySet[SettlementVersion]:
    """The versions whose journals are the settlements': the taken ones."""
    versions = SettlementVersion.objects.filter(settlement__entity=entity, state=SettlementVersion.State.TAKEN)
    return versions.select_related("settlement").order_by("settlement__settlement_id")


def using_class(entity: Entity, tax_class: TaxClass) -> QuerySet[SettlementVersion]:
    """Those of them in which a rule taxes something by this class."""
    signatures = Resolution.objects.filter(rule__tax_class=tax_class).values("signature")
    return buildable(entity).filter(rollups__signature__in=signatures).distinct()


@transaction.atomic
def rebuild(version_ids: Collection[int], *, because: str) -> None:
    """Make the journals of these versions' settlements that have not left what the facts say now.

    `because` says what changed, for people: an approved journal that changes goes back to draft with these words. What has
    left is never touched: the difference becomes a journal of its own. What is the same already is not written.
    """
    concerned: dict[int, set[int]] = defaultdict(set)
    versions = SettlementVersion.objects.filter(pk__in=version_ids)
    for entity_id, settlement in versions.values_list("settlement__entity", "settlement"):
        concerned[entity_id].add(settlement)
    for entity_id, settlements in sorted(concerned.items()):
        lock_mapping(entity_id)
        entity = Entity.objects.get(pk=entity_id)
        taken = list(buildable(entity).filter(settlement__in=settlements))
        facts = read_facts.read(entity, taken, settlements=settlements)
        write(facts, [entry for payout in compute(facts) for entry in payout.entries], because)


def returned(facts: Facts, payouts: Collection[Payout]) -> list[str]:
    """Keys of the approved journals that would go back to draft."""
    entries = {entry.key: entry for payout in payouts for entry in payout.entries}
    return sorted(
        key
        for key, standing in facts.standing.items()
        if standing.approved and (key not in entries or entries[key].lines_hash != standing.lines_hash)
    )
