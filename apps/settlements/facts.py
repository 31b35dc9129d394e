"""What journals are computed from, read once: roll-ups, what maps them, what has left, what stands open, what is locked."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from django.db import connection

from apps.core.models import Entity
from apps.ledger.corrections import Booked, place_of
from apps.ledger.models import Account, Journal, TaxClass, TaxCode
from apps.ledger.periods import locked_months
from apps.ledger.rules import Books, Posting, TaxRule
from apps.ledger.rules import TaxClass as BookTaxClass
from apps.ledger.rules import TaxCode as BookTaxCode
from apps.settlements.models import FeeSignature, SettlementVersion
from apps.settlements.rules import Span

# Cut by month and wherever a rule begins or ends, each group has one account and one tax code, and days cost nothing.
CELLS = """
    SELECT version_id, signature_id, min(day), leg, sum(lines)::bigint, sum(credit), sum(debit)
    FROM settlements_rollup
    WHERE version_id = ANY(%(versions)s)
    GROUP BY version_id, signature_id, leg, date_trunc('month', day), width_bucket(day, %(cuts)s::date[])
    ORDER BY 1, 2, 3, 4
"""
POSTINGS = """
    SELECT resolution.signature_id, lower(resolution.period), upper(resolution.period), rule.account_id, rule.tax_class_id
    FROM settlements_feesignature signature
    JOIN settlements_resolution resolution ON resolution.signature_id = signature.id
    JOIN settlements_feerule rule ON rule.id = resolution.rule_id
    WHERE signature.entity_id = %(entity)s
"""
EXPORTED = """
    FROM settlements_settlementversion version
    JOIN settlements_settlementjournal booked ON booked.version_id = version.id
    JOIN ledger_journal journal ON journal.id = booked.journal_id AND journal.state = 'exported'
"""
OF_THESE = "WHERE version.settlement_id = ANY(%(settlements)s)"
BOOKED_MONTHS = f"""
    SELECT version.settlement_id, booked.month, max(booked.number),
           (array_agg(journal.id ORDER BY booked.number DESC))[1],
           sum(journal.default_leg_lines)::bigint, sum(journal.default_leg_amount)
    {EXPORTED} {OF_THESE} GROUP BY 1, 2
"""
BOOKED_LINES = f"""
    SELECT version.settlement_id, booked.month, line.account_id, line.tax_code_id, line.label, sum(line.credit - line.debit)
    {EXPORTED} JOIN ledger_journalline line ON line.journal_id = journal.id {OF_THESE} GROUP BY 1, 2, 3, 4, 5
"""
BOOKED_PARTS = f"""
    SELECT version.settlement_id, booked.month, line.account_id, line.tax_code_id, line.label,
           part.signature_id, part.leg, part.default_leg, sum(part.lines)::bigint, sum(part.amount)
    {EXPORTED} JOIN ledger_journalline line ON line.journal_id = journal.id
    JOIN settlements_journalpart part ON part.journal_line_id = line.id {OF_THESE} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""
STANDING = """
    SELECT journal.key, journal.id, journal.state, journal.period, journal.lines_hash, booked.parts_hash, booked.version_id,
           version.settlement_id, EXISTS (SELECT FROM ledger_batchjournal left_once WHERE left_once.journal_id = journal.id)
    FROM settlements_settlementversion version
    JOIN settlements_settlementjournal booked ON booked.version_id = version.id
    JOIN ledger_journal journal ON journal.id = booked.journal_id AND journal.state <> 'exported'
    WHERE version.settlement_id = ANY(%(settlements)s)
"""

Postings = Mapping[int, Sequence[tuple[Span, Posting]]]
"""Signature id -> where its money goes when."""


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
    settlement: int
    left_once: bool


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Of some versions of one company. `booked` is by (settlement, month), `standing` by journal key."""

    entity: Entity
    versions: list[SettlementVersion]
    books: Books
    names: dict[int, str]
    cells: dict[int, list[Cell]]
    postings: Postings
    booked: dict[tuple[int, date], Booked]
    standing: dict[str, Standing]
    locked: frozenset[date]


def read(
    entity: Entity, versions: Collection[SettlementVersion], *, settlements: Collection[int] = (), cuts: Iterable[date] = ()
) -> Facts:
    """The facts about these versions' settlements, and of further `settlements` (ids) what was booked of them.

    `cuts` are days on which rules that are only proposed begin or end: what posts otherwise from then on is kept apart.
    """
    books = books_of(entity)
    settlement_ids = sorted({*settlements, *(version.settlement_id for version in versions)})
    asked = {"entity": entity.pk, "versions": [version.pk for version in versions], "settlements": settlement_ids}
    with connection.cursor() as cursor:

        def rows(statement: str, **more) -> list[tuple]:
            cursor.execute(statement, asked | more)
            return cursor.fetchall()

        postings: dict[int, list[tuple[Span, Posting]]] = defaultdict(list)
        days = {*cuts, *books.tax_days}
        for signature, since, until, account, tax_class in rows(POSTINGS):
            postings[signature].append((Span(since, until), Posting(account, tax_class)))
            days |= {day for day in (since, until) if day}
        cells: dict[int, list[Cell]] = defaultdict(list)
        for version, *cell in rows(CELLS, cuts=sorted(days)):
            cells[version].append(Cell(*cell))
        used = {cell.signature for found in cells.values() for cell in found}
        return Facts(
            entity=entity,
            versions=list(versions),
            books=books,
            names={row.pk: str(row) for row in FeeSignature.objects.filter(pk__in=used)},
            cells=cells,
            postings=postings,
            booked=_booked(books, rows(BOOKED_MONTHS), rows(BOOKED_LINES), rows(BOOKED_PARTS)),
            standing={key: Standing(*row) for key, *row in rows(STANDING)},
            locked=locked_months(entity),
        )


def _booked(books: Books, months: list, lines: list, parts: list) -> dict[tuple[int, date], Booked]:
    found = {(settlement, month): Booked(*figures) for settlement, month, *figures in months}
    for settlement, month, account, tax_code, label, amount in lines:
        booked, place = found[settlement, month], place_of(account, tax_code, label, books)
        booked.amounts[place] += amount
        booked.labels[place] = label
    for settlement, month, account, tax_code, label, *origin, count, amount in parts:
        of, key = found[settlement, month].parts, (place_of(account, tax_code, label, books), *origin)
        had_count, had = of.get(key, (0, Decimal(0)))
        of[key] = (had_count + count, had + amount)
    return found


def books_of(entity: Entity) -> Books:
    """What the company's journals are built with: accounts, roles, tax."""
    accounts = list(Account.objects.filter(entity=entity))
    classes = TaxClass.objects.filter(entity=entity).prefetch_related("rules")
    return Books(
        names={account.pk: account.name for account in accounts},
        codes={account.pk: account.code for account in accounts},
        roles={account.role: account.pk for account in accounts if account.role},
        tax_classes={
            found.pk: BookTaxClass(
                found.pk,
                found.name,
                found.default_leg,
                tuple(
                    TaxRule(rule.leg, rule.period.lower, rule.period.upper, rule.tax_code_id)
                    for rule in found.rules.all()
                ),
            )
            for found in classes
        },
        tax_codes={
            code.pk: BookTaxCode(code.pk, code.name, code.rate, code.account_id)
            for code in TaxCode.objects.filter(entity=entity)
        },
    )


def is_approved(standing: Standing) -> bool:
    return standing.state == Journal.State.APPROVED
