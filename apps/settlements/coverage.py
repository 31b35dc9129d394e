"""What share of lines and money had an account when it arrived, and has one now: by channel and week, from roll-ups."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from apps.core.coverage import WEEKS, Share, Week
from apps.settlements.models import SettlementVersion

ARRIVED = """
    INSERT INTO settlements_arrival (version_id, marketplace, week, lines, money, mapped_lines, mapped_money)
    SELECT cell.version_id, signature.marketplace, date_trunc('week', cell.day::timestamp)::date, sum(cell.lines),
           sum(cell.credit + cell.debit),
           coalesce(sum(cell.lines) FILTER (WHERE resolution.id IS NOT NULL), 0),
           coalesce(sum(cell.credit + cell.debit) FILTER (WHERE resolution.id IS NOT NULL), 0)
    FROM settlements_rollup cell
    JOIN settlements_feesignature signature ON signature.id = cell.signature_id
    LEFT JOIN settlements_resolution resolution
         ON resolution.signature_id = cell.signature_id AND resolution.period @> cell.day
    WHERE cell.version_id = %(version)s
    GROUP BY 1, 2, 3
"""
TREND = """
    WITH taken AS (
        SELECT version.id, settlement.connection_id, settlement.currency
        FROM settlements_settlementversion version
        JOIN settlements_settlement settlement ON settlement.id = version.settlement_id
        WHERE version.state = 'taken' AND settlement.entity_id = ANY(%(entities)s)
    ), now AS (
        SELECT taken.connection_id, signature.marketplace, taken.currency,
               date_trunc('week', cell.day::timestamp)::date AS week, sum(cell.lines)::bigint AS lines,
               sum(cell.credit + cell.debit) AS money,
               coalesce(sum(cell.lines) FILTER (WHERE resolution.id IS NOT NULL), 0)::bigint AS mapped_lines,
               coalesce(sum(cell.credit + cell.debit) FILTER (WHERE resolution.id IS NOT NULL), 0) AS mapped_money
        FROM taken JOIN settlements_rollup cell ON cell.version_id = taken.id
        JOIN settlements_feesignature signature ON signature.id = cell.signature_id
        LEFT JOIN settlements_resolution resolution
             ON resolution.signature_id = cell.signature_id AND resolution.period @> cell.day
        GROUP BY 1, 2, 3, 4
    ), arrived AS (
        SELECT taken.connection_id, arrival.marketplace, taken.currency, arrival.week, sum(arrival.lines)::bigint AS lines,
               sum(arrival.money) AS money, sum(arrival.mapped_lines)::bigint AS mapped_lines,
               sum(arrival.mapped_money) AS mapped_money
        FROM taken JOIN settlements_arrival arrival ON arrival.version_id = taken.id
        GROUP BY 1, 2, 3, 4
    )
    SELECT place.id, place.name, company.name, now.marketplace, now.currency, now.week,
           now.lines, now.money, now.mapped_lines, now.mapped_money,
           arrived.lines, arrived.money, arrived.mapped_lines, arrived.mapped_money
    FROM now JOIN integrations_connection place ON place.id = now.connection_id
    JOIN core_entity company ON company.id = place.entity_id
    LEFT JOIN arrived USING (connection_id, marketplace, currency, week)
    WHERE now.week > (SELECT max(week) FROM now) - %(days)s
    ORDER BY company.name, place.name, place.id, now.marketplace, now.currency, now.week
"""
UNCOVERED = """
    SELECT signature.id, signature.transaction_type, signature.amount_type, signature.amount_description,
           signature.marketplace, settlement.currency, sum(cell.lines)::bigint, sum(cell.credit + cell.debit)
    FROM settlements_rollup cell
    JOIN settlements_settlementversion version ON version.id = cell.version_id AND version.state = 'taken'
    JOIN settlements_settlement settlement ON settlement.id = version.settlement_id
    JOIN settlements_feesignature signature ON signature.id = cell.signature_id
    WHERE settlement.entity_id = ANY(%(entities)s) AND NOT EXISTS (
        SELECT FROM settlements_resolution resolution
        WHERE resolution.signature_id = cell.signature_id AND resolution.period @> cell.day)
    GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 8 DESC, 1 LIMIT %(most)s
"""


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A marketplace of a connection, in one currency."""

    connection_id: int
    connection: str
    company: str
    marketplace: str
    currency: str

    def __str__(self) -> str:
        return f"{self.connection}, {self.marketplace or 'no marketplace'}, {self.currency}"


@dataclass(frozen=True)
class Uncovered:
    """A fee without an account, in one currency."""

    id: int
    transaction_type: str
    amount_type: str
    amount_description: str
    marketplace: str
    currency: str
    lines: int
    money: Decimal


def keep_arrival(version: SettlementVersion) -> None:
    """Keep what of the version has an account now that it was read, in the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(ARRIVED, {"version": version.pk})


def trend(entities: Collection[int]) -> list[Week]:
    """The last WEEKS weeks that have lines, by channel and week. One statement; counts are of lines, money without sign."""
    with connection.cursor() as cursor:
        cursor.execute(TREND, {"entities": list(entities), "days": 7 * WEEKS})
        return [
            Week(
                channel=Channel(
                    connection_id=pk, connection=place, company=company, marketplace=marketplace, currency=currency
                ),
                monday=monday,
                now=Share(*figures[:4]),
                arrived=Share(*figures[4:]) if figures[4] is not None else None,
            )
            for pk, place, company, marketplace, currency, monday, *figures in cursor.fetchall()
        ]


def uncovered(entities: Collection[int], most: int) -> list[Uncovered]:
    """The fees without an account, those with the most money first."""
    with connection.cursor() as cursor:
        cursor.execute(UNCOVERED, {"entities": list(entities), "most": most})
        return [Uncovered(*row) for row in cursor.fetchall()]
