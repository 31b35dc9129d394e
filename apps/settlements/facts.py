"""What journals are computed from, read once: roll-ups, what maps them, what has left, what stands open, what is locked."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from django.db import connection

from apps.core.models import Entity
from apps.ledger.corrections import Booked, place_of
from apps.ledger.models import Journal
from apps.ledger.rules import Books, Posting, TaxClass, TaxCode, TaxRule
from apps.settlements.models import FeeSignature, SettlementVersion
from apps.settlements.rules import Span

ACCOUNTS = "SELECT id, name, code, role FROM ledger_account WHERE entity_id = %(entity)s"
TAX_CODES = "SELECT id, name, rate, account_id FROM ledger_taxcode WHERE entity_id = %(entity)s"
TAX_CLASSES = "SELECT id, name, default_leg FROM ledger_taxclass WHERE entity_id = %(entity)s"
TAX_RULES = """
    SELECT rule.tax_class_id, rule.leg, lower(rule.period), upper(rule.period), rule.tax_code_id
    FROM ledger_taxrule rule JOIN ledger_taxclass class ON class.id = rule.tax_class_id
    WHERE class.entity_id = %(entity)s
    ORDER BY rule.leg, rule.period
"""
CHART = (ACCOUNTS, TAX_CODES, TAX_CLASSES, TAX_RULES)

# Cut by month and wherever a rule begins or ends, each group has one account and one tax code, and days cost nothing.
CELLS = """
    SELECT version_id, signature_id, min(day), leg, sum(lines)::bigint, sum(credit), sum(debit)
    FROM ({rollups}) rollup
    GROUP BY version_id, signature_id, leg, date_trunc('month', day::timestamp), width_bucket(day, %(cuts)s::date[])
    ORDER BY 1, 2, 3, 4
"""
ROLLUPS = """
    SELECT version_id, signature_id, day, leg, lines, credit, debit
    FROM settlements_rollup
    WHERE version_id = ANY(%(versions)s)
"""
POSTINGS = """
    SELECT resolution.signature_id, lower(resolution.period), upper(resolution.period), rule.account_id, rule.tax_class_id
    FROM settlements_feesignature signature
    JOIN settlements_resolution resolution ON resolution.signature_id = signature.id
    JOIN settlements_feerule rule ON rule.id = resolution.rule_id
    WHERE signature.entity_id = %(entity)s
"""
BOOKED = """
    SELECT version.settlement_id, booked.month, booked.number, journal.id, journal.period, journal.default_leg_lines,
           journal.default_leg_amount, line.account_id, line.tax_code_id, line.label, line.credit - line.debit
    FROM settlements_settlementversion version
    JOIN settlements_settlementjournal booked ON booked.version_id = version.id
    JOIN ledger_journal journal ON journal.id = booked.journal_id AND journal.state = 'exported'
         AND journal.id <> ALL(%(given_back)s)
    JOIN ledger_journalline line ON line.journal_id = journal.id
    WHERE version.settlement_id = ANY(%(settlements)s)
    ORDER BY booked.number
"""
STANDING = """
    SELECT journal.key, journal.id, CASE journal.state WHEN 'exported' THEN 'approved' ELSE journal.state END,
           journal.period, journal.lines_hash, booked.parts_hash, booked.version_id, EXISTS (
               SELECT FROM ledger_batchjournal left_once WHERE left_once.journal_id = journal.id)
    FROM settlements_settlementversion version
    JOIN settlements_settlementjournal booked ON booked.version_id = version.id
    JOIN ledger_journal journal ON journal.id = booked.journal_id
         AND (journal.state <> 'exported' OR journal.id = ANY(%(given_back)s))
    WHERE version.settlement_id = ANY(%(settlements)s)
"""
LOCKED = "SELECT month FROM ledger_periodlock WHERE entity_id = %(entity)s AND unlocked_at IS NULL"

Postings = Mapping[int, Sequence[tuple[Span, Posting]]]
"""Signature id -> where its money goes when."""


class RollUps(NamedTuple):
    """A query of a roll-up's columns for `%(versions)s`, and what else it asks for."""

    query: str
    values: Mapping[str, Any]


STORED = RollUps(ROLLUPS, {})


class Cell(NamedTuple):
    """Roll-ups of one signature and leg that post alike; `day` is one of theirs."""

    signature: int
    day: date
    leg: str
    lines: int
    credit: Decimal
    debit: Decimal


class Standing(NamedTuple):
    """A journal that has not left: it may be built anew. `left_once` in a batch that was voided."""

    id: int
    state: str
    period: date
    lines_hash: str
    parts_hash: str
    version: int
    left_once: bool

    @property
    def approved(self) -> bool:
        return self.state == Journal.State.APPROVED


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Of some versions of one company. `booked` is by (settlement, month), `standing` by journal key."""

    entity: Entity
    versions: list[SettlementVersion]
    books: Books
    cells: dict[int, list[Cell]]
    postings: Postings
    booked: dict[tuple[int, date], Booked]
    standing: dict[str, Standing]
    locked: frozenset[date]

    @cached_property
    def names(self) -> dict[int, str]:
        """Signature id -> what people call it. Asked for where one has no account."""
        used = {cell.signature for found in self.cells.values() for cell in found}
        return {row.pk: str(row) for row in FeeSignature.objects.filter(pk__in=used)}


def read(
    entity: Entity,
    versions: Collection[SettlementVersion],
    *,
    settlements: Collection[int] = (),
    cuts: Iterable[date] = (),
    given_back: Collection[int] = (),
    rollups: RollUps = STORED,
) -> Facts:
    """The facts about these versions' settlements, and of further `settlements` (ids) what was booked of them.

    `cuts` are days on which rules that are only proposed begin or end: what posts otherwise from then on is kept apart.
    `given_back` are ids of exported journals that count as approved: what voiding their batch would make them. `rollups`
    says which roll-ups count instead of those that are stored.
    """
    settlement_ids = sorted({*settlements, *(version.settlement_id for version in versions)})
    asked = {
        "entity": entity.pk,
        "versions": [version.pk for version in versions],
        "settlements": settlement_ids,
        "given_back": list(given_back),
    }
    with connection.cursor() as cursor:
        # Several statements at once are possible because Django binds their values on this side.
        cursor.execute(";".join((*CHART, POSTINGS, BOOKED, STANDING, LOCKED)), asked)
        *chart, posted, booked, standing, locked = (found.fetchall() for found in cursor.results())
        books = _books(*chart)
        postings: dict[int, list[tuple[Span, Posting]]] = defaultdict(list)
        days = {*cuts, *books.tax_days}
        for signature, since, until, account, tax_class in posted:
            postings[signature].append((Span(since, until), Posting(account, tax_class)))
            days |= {day for day in (since, until) if day}
        cursor.execute(CELLS.format(rollups=rollups.query), asked | {"cuts": sorted(days), **rollups.values})
        cells: dict[int, list[Cell]] = defaultdict(list)
        for version, *cell in cursor.fetchall():
            cells[version].append(Cell(*cell))
    return Facts(
        entity=entity,
        versions=list(versions),
        books=books,
        cells=cells,
        postings=postings,
        booked=_booked(books, booked),
        standing={key: Standing(*row) for key, *row in standing},
        locked=frozenset(month for (month,) in locked),
    )


def _booked(books: Books, rows: list[tuple]) -> dict[tuple[int, date], Booked]:
    """The rows come in the order of the journals' numbers."""
    found: dict[tuple[int, date], Booked] = {}
    for settlement, month, number, journal, posted, leg_lines, leg_amount, account, tax_code, label, amount in rows:
        if (settlement, month) not in found:
            found[settlement, month] = Booked(number, [])
        booked = found[settlement, month]
        if journal not in booked.journals:
            booked.number, booked.posted = number, max(booked.posted, posted)
            booked.journals.append(journal)
            booked.default_leg_lines += leg_lines
            booked.default_leg_amount += leg_amount
        place = place_of(account, tax_code, label, books)
        booked.amounts[place] += amount
        booked.labels[place] = label
    return found


def _books(accounts: list[tuple], codes: list[tuple], classes: list[tuple], rules: list[tuple]) -> Books:
    """What the company's journals are built with: accounts, roles, tax."""
    of_class: dict[int, list[TaxRule]] = defaultdict(list)
    for tax_class, *rule in rules:
        of_class[tax_class].append(TaxRule(*rule))
    return Books(
        names={pk: name for pk, name, _, _ in accounts},
        codes={pk: code for pk, _, code, _ in accounts},
        roles={role: pk for pk, _, _, role in accounts if role},
        tax_classes={pk: TaxClass(pk, name, leg, tuple(of_class[pk])) for pk, name, leg in classes},
        tax_codes={pk: TaxCode(pk, name, rate, account) for pk, name, rate, account in codes},
    )
