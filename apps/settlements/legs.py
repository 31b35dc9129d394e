"""Where orders were shipped from and to, and roll-ups split by it: facts that no settlement has (domain.md 4.4)."""

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TextIO

from django.db import connection

from apps.core.errors import Refused
from apps.integrations.models import Connection
from apps.settlements.facts import RollUps
from apps.settlements.layout import ORDER_ID_LONGEST
from apps.settlements.resolutions import lock_mapping

COLUMNS = ("order-id", "ship-from", "ship-to")
COUNTRY = re.compile(r"[A-Z]{2}")
FAULTS_SHOWN = 20

Leg = tuple[str, str, str]
"""order-id, ship-from, ship-to (ISO 3166 countries)."""

STAGE = "CREATE TEMPORARY TABLE new_legs (order_id text, ship_from text, ship_to text) ON COMMIT DROP"
UPSERT = """
    INSERT INTO settlements_orderleg AS known (connection_id, order_id, ship_from, ship_to)
    SELECT %(connection)s, order_id, ship_from, ship_to FROM new_legs
    ON CONFLICT (connection_id, order_id) DO UPDATE SET ship_from = excluded.ship_from, ship_to = excluded.ship_to
    WHERE (known.ship_from, known.ship_to) IS DISTINCT FROM (excluded.ship_from, excluded.ship_to)
    RETURNING order_id
"""
CHANGED = """
    SELECT said.order_id
    FROM unnest(%(orders)s::text[], %(froms)s::text[], %(tos)s::text[]) said (order_id, ship_from, ship_to)
    LEFT JOIN settlements_orderleg known ON known.connection_id = %(connection)s AND known.order_id = said.order_id
    WHERE (known.ship_from, known.ship_to) IS DISTINCT FROM (said.ship_from, said.ship_to)
"""
HAVING_THEM = """
    SELECT DISTINCT settled.version_id
    FROM unnest(%(orders)s::text[]) changed (order_id)
    JOIN settlements_settledorder settled ON settled.order_id = changed.order_id
    JOIN settlements_settlementversion version ON version.id = settled.version_id AND version.state <> 'superseded'
    JOIN settlements_settlement settlement ON settlement.id = version.settlement_id
    WHERE settlement.connection_id = %(connection)s
"""
WITH_LEGS = """
    SELECT version.id
    FROM settlements_settlementversion version
    JOIN settlements_settlement settlement ON settlement.id = version.settlement_id
    WHERE version.id = ANY(%(versions)s) AND EXISTS (
        SELECT FROM settlements_orderleg leg
        JOIN settlements_settledorder settled ON settled.order_id = leg.order_id AND settled.version_id = version.id
        WHERE leg.connection_id = settlement.connection_id)
"""
ENTITIES = """
    SELECT DISTINCT settlement.entity_id
    FROM settlements_settlementversion version
    JOIN settlements_settlement settlement ON settlement.id = version.settlement_id
    WHERE version.id = ANY(%(versions)s)
    ORDER BY 1
"""
EMPTY = "DELETE FROM settlements_rollup WHERE version_id = ANY(%(versions)s)"
# The legs in the arrays go before the known ones: with empty arrays it is what stands, else what would.
BY_LEG = """
    SELECT line.version_id, line.signature_id, (line.posted_at AT TIME ZONE entity.zone)::date AS day,
           coalesce(said.leg, leg.ship_from || '>' || leg.ship_to, '') AS leg, count(*) AS lines,
           coalesce(sum(line.amount) FILTER (WHERE line.amount > 0), 0) AS credit,
           coalesce(-sum(line.amount) FILTER (WHERE line.amount < 0), 0) AS debit
    FROM settlements_settlementline line
    JOIN settlements_settlementversion version ON version.id = line.version_id
    JOIN settlements_settlement settlement ON settlement.id = version.settlement_id
    JOIN core_entity entity ON entity.id = settlement.entity_id
    LEFT JOIN settlements_orderleg leg
        ON line.order_id <> '' AND leg.order_id = line.order_id AND leg.connection_id = settlement.connection_id
    LEFT JOIN unnest(%(orders)s::text[], %(legs)s::text[]) said (order_id, leg) ON said.order_id = line.order_id
    WHERE line.version_id = ANY(%(versions)s)
    GROUP BY 1, 2, 3, 4
"""
REFILL = f"INSERT INTO settlements_rollup (version_id, signature_id, day, leg, lines, credit, debit) {BY_LEG}"


def read(source: TextIO, name: str) -> list[Leg]:
    """The legs of a comma- or tab-separated file with a header. Refused with words for each line that is wrong."""
    text = source.read().removeprefix("\N{BYTE ORDER MARK}")
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter="\t" if "\t" in header else ",")
    rows = _rows(reader, name)
    names = [cell.strip().lower() for cell in next(rows, [])]
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise Refused(
            f"{name}, line 1: the header lacks {' and '.join(missing)}. "
            "Expected order-id, ship-from and ship-to, with commas or tabs.",
            field="file",
            code="columns-missing",
        )
    places = [names.index(column) for column in COLUMNS]
    found: dict[str, Leg] = {}
    faults = []
    for cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        values = [cells[place].strip() if place < len(cells) else "" for place in places]
        leg = (values[0], values[1].upper(), values[2].upper())
        fault = _fault(leg, found)
        if fault:
            faults.append(f"{name}, line {reader.line_num}: {fault}")
        else:
            found[leg[0]] = leg
    if faults:
        more = [f"{len(faults) - FAULTS_SHOWN:,} more lines cannot be read."] if len(faults) > FAULTS_SHOWN else []
        raise Refused(
            "\n".join([*faults[:FAULTS_SHOWN], *more, "Nothing was changed."]), field="file", code="legs-unreadable"
        )
    return list(found.values())


def _rows(reader: Iterator[list[str]], name: str) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as fault:
        raise Refused(f"{name}, line {reader.line_num}: {fault}.", field="file", code="legs-unreadable") from fault


def upsert(place: Connection, legs: Iterable[Leg]) -> list[str]:
    """Write the legs of a connection's orders; returns the order ids whose leg is new or another than before."""
    with connection.cursor() as cursor:
        cursor.execute(STAGE)
        with cursor.copy("COPY new_legs (order_id, ship_from, ship_to) FROM STDIN") as copy:
            for leg in legs:
                copy.write_row(leg)
        cursor.execute(UPSERT, {"connection": place.pk})
        changed = [order for (order,) in cursor.fetchall()]
        cursor.execute("DROP TABLE new_legs")
    return changed


def changed(place: Connection, legs: Sequence[Leg]) -> list[str]:
    """The order ids that `upsert` would return. Writes nothing."""
    orders, froms, tos = (list(column) for column in zip(*legs, strict=True)) if legs else ([], [], [])
    return _column(CHANGED, {"connection": place.pk, "orders": orders, "froms": froms, "tos": tos})


def as_if(legs: Sequence[Leg]) -> RollUps:
    """The roll-ups as these legs would make them: of versions that have lines of their orders."""
    orders = [order for order, _, _ in legs]
    return RollUps(BY_LEG, {"orders": orders, "legs": [f"{ship_from}>{ship_to}" for _, ship_from, ship_to in legs]})


def versions_with(place: Connection, orders: Collection[str]) -> list[int]:
    """Ids of the connection's versions that have lines of these orders."""
    return _column(HAVING_THEM, {"orders": list(orders), "connection": place.pk})


def reroll(version_ids: Collection[int]) -> None:
    """Roll the versions up by leg, from their lines, where the leg of any of their orders is known.

    Under the mapping's lock: legs loaded while a file is read would miss the file's lines, and the file the legs.
    """
    for entity_id in _column(ENTITIES, {"versions": list(version_ids)}):
        lock_mapping(entity_id)
    versions = _column(WITH_LEGS, {"versions": list(version_ids)})
    if versions:
        with connection.cursor() as cursor:
            cursor.execute(EMPTY, {"versions": versions})
            cursor.execute(REFILL, {"versions": versions, "orders": [], "legs": []})


def _column(statement: str, values: dict) -> list:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [value for (value,) in cursor.fetchall()]


def _fault(leg: Leg, found: dict[str, Leg]) -> str:
    order, ship_from, ship_to = leg
    if not order:
        return "order-id is empty."
    if len(order) > ORDER_ID_LONGEST:
        return f"order-id has {len(order):,} characters. Expected {ORDER_ID_LONGEST} at most."
    if "\0" in order:
        return "order-id holds a NUL byte."
    for column, country in (("ship-from", ship_from), ("ship-to", ship_to)):
        if not COUNTRY.fullmatch(country):
            return f"{column} is “{country}”. Expected two letters of a country, such as GB."
    if order in found and found[order] != leg:
        _, first_from, first_to = found[order]
        return f"order {order} is there twice: {first_from}>{first_to}, and here {ship_from}>{ship_to}."
    return ""
