"""The lines of one version into the database: signatures, one COPY a block, roll-ups. All in the caller's transaction."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import BinaryIO

import polars as pl
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.core.money import exponent
from apps.settlements import skus
from apps.settlements.models import FeeSignature, SettlementVersion
from apps.settlements.report import Report
from apps.settlements.rows import SIGNATURE, frames, withheld_items
from apps.settlements.rules import signature_key

SPELLING = (*SIGNATURE, "treatment")
STORED = ("version_id", "line", "byte_offset", "signature_id", "posted_at", "amount", "order_id", "order_item_code", "sku",
          "quantity", "fulfillment")  # fmt: skip
SKUS = {"listing_id": pl.Int64, "lines": pl.Int64, "amount": pl.Decimal(18, 4)}
TEXTS = ("order_id", "order_item_code", "sku", "fulfillment")
COPY_LINES = f"COPY settlements_settlementline ({', '.join(STORED)}) FROM STDIN"
COPY_ORDERS = "COPY settlements_settledorder (order_id, version_id, first_line, last_line) FROM STDIN"
COPY_SKUS = "COPY settlements_settledsku (listing_id, version_id, lines, amount) FROM STDIN"
COPY_ROLLUPS = "COPY settlements_rollup (version_id, signature_id, day, leg, lines, credit, debit) FROM STDIN"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What the file held: lines counted, amounts summed exactly, the signatures in use and those never seen before."""

    lines: int
    sum: Decimal
    signatures: frozenset[int]
    new_signatures: frozenset[int]


def load(
    *, stream: BinaryIO, report: Report, version: SettlementVersion, zone: str, say: Callable[[int], None]
) -> Loaded:
    """COPY every line and write the roll-ups with an empty leg; `say` is told the bytes read so far.

    Raises `Unreadable` at the first line that cannot be read; the caller's transaction then leaves nothing behind.
    """
    signatures = Signatures(version.settlement.entity_id)
    parts, orders, sold, lines = [], [], [], 0
    blocks = frames(stream, report, withheld_items(stream, report), exponent(report.currency))
    # Three blocks are under way at once: one is parsed, one is written as text here, one is taken by the database.
    with ThreadPoolExecutor(1, "parse") as parser, Copier(connection) as copier:
        waiting = parser.submit(next, blocks, None)
        while (block := waiting.result()) is not None:
            waiting = parser.submit(next, blocks, None)
            frame, read = block
            if unknown := signatures.unknown_in(frame):
                copier.wait()
                signatures.learn(unknown)
            typed = signatures.apply(frame)
            copier.copy(COPY_LINES, typed.select(pl.lit(version.pk).alias("version_id"), *STORED[1:]))
            parts.append(_rolled_up(typed, zone))
            orders.append(_orders(typed))
            sold.append(skus.rolled_up(typed))
            lines += frame.height
            say(read)
        if not parts:
            return Loaded(lines=0, sum=Decimal(0), signatures=frozenset(), new_signatures=frozenset())
        cells = (
            pl.concat(parts)
            .group_by("signature_id", "day")
            .agg(pl.col("lines", "credit", "debit").sum())
            .sort("signature_id", "day")
        )
        found = (
            pl.concat(orders)
            .group_by("order_id")
            .agg(pl.col("first_line").min(), pl.col("last_line").max())
            .sort("order_id")
        )
        copier.copy(
            COPY_ORDERS, found.select("order_id", pl.lit(version.pk).alias("version_id"), "first_line", "last_line")
        )
        copier.wait()
        listings = skus.of_listings(version.settlement.connection, pl.concat(sold))
        copier.copy(
            COPY_SKUS,
            pl.DataFrame(listings, schema=SKUS, orient="row").select(
                "listing_id", pl.lit(version.pk).alias("version_id"), "lines", "amount"
            ),
        )
        leg = pl.lit("").alias("leg")
        copier.copy(
            COPY_ROLLUPS,
            cells.select(
                pl.lit(version.pk).alias("version_id"), "signature_id", "day", leg, "lines", "credit", "debit"
            ),
        )
    return Loaded(
        lines=lines,
        sum=cells["credit"].sum() - cells["debit"].sum(),
        signatures=frozenset(cells["signature_id"]),
        new_signatures=frozenset(signatures.new),
    )


class Copier:
    """COPY in a thread of its own, one at a time, on the connection of the transaction. `wait` before using the connection."""

    def __init__(self, connection: BaseDatabaseWrapper):
        connection.ensure_connection()
        self.connection = connection.connection
        self.thread = ThreadPoolExecutor(1, "copy")
        self.under_way: Future | None = None

    def copy(self, statement: str, rows: pl.DataFrame) -> None:
        data = _as_copy_text(rows)
        self.wait()
        self.under_way = self.thread.submit(self._copy, statement, data)

    def wait(self) -> None:
        """Until the database has taken what was given; raises what it said."""
        if self.under_way:
            self.under_way.result()
            self.under_way = None

    def __enter__(self) -> "Copier":
        return self

    def __exit__(self, kind, error, trace) -> None:
        with self.thread:
            self.wait()

    def _copy(self, statement: str, data: bytes) -> None:
        with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(data)


class Signatures:
    """The company's signatures by their spelling. The caller holds the lock that keeps others from adding any."""

    def __init__(self, entity_id: int):
        self.entity_id = entity_id
        self.by_key = dict(FeeSignature.objects.filter(entity_id=entity_id).values_list("key", "id"))
        self.by_spelling = pl.DataFrame(schema={**dict.fromkeys(SPELLING, pl.String), "signature_id": pl.Int64})
        self.new: set[int] = set()

    def unknown_in(self, frame: pl.DataFrame) -> list[tuple[str, ...]]:
        """Spellings not met so far."""
        return frame.select(SPELLING).unique().join(self.by_spelling, on=SPELLING, how="anti").rows()

    def learn(self, spellings: list[tuple[str, ...]]) -> None:
        """Give each spelling its signature; one that the company never had is written."""
        keys = {spelling: signature_key(*spelling) for spelling in sorted(spellings)}
        self._add({key: spelling for spelling, key in keys.items() if key not in self.by_key})
        found = [(*spelling, self.by_key[key]) for spelling, key in keys.items()]
        self.by_spelling = pl.concat(
            [self.by_spelling, pl.DataFrame(found, schema=self.by_spelling.schema, orient="row")]
        )

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with `signature_id`."""
        return frame.join(self.by_spelling, on=SPELLING, how="left", maintain_order="left")

    def _add(self, spellings: dict[str, tuple[str, ...]]) -> None:
        added = FeeSignature.objects.bulk_create(
            FeeSignature(
                entity_id=self.entity_id,
                key=key,
                marketplace=marketplace,
                transaction_type=transaction_type,
                amount_type=amount_type,
                amount_description=amount_description,
                treatment=treatment,
            )
            for key, (marketplace, transaction_type, amount_type, amount_description, treatment) in spellings.items()
        )
        self.by_key |= {signature.key: signature.pk for signature in added}
        self.new |= {signature.pk for signature in added}


def _rolled_up(typed: pl.DataFrame, zone: str) -> pl.DataFrame:
    day = pl.col("posted_at").dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.date()
    amount = pl.col("amount")
    return typed.group_by("signature_id", day.alias("day")).agg(
        lines=pl.len(),
        credit=amount.filter(amount > 0).sum(),
        debit=-amount.filter(amount < 0).sum(),
    )


def _orders(typed: pl.DataFrame) -> pl.DataFrame:
    line = pl.col("line")
    return typed.filter(pl.col("order_id") != "").group_by("order_id").agg(first_line=line.min(), last_line=line.max())


def _as_copy_text(rows: pl.DataFrame) -> bytes:
    """COPY's text format, where a backslash in a value is doubled and an absent number is \\N."""
    texts = [name for name in TEXTS if name in rows.columns]
    if texts:
        rows = rows.with_columns(pl.col(texts).str.replace_all("\\", "\\\\", literal=True))
    return rows.write_csv(
        separator="\t",
        quote_style="never",
        include_header=False,
        null_value="\\N",
        datetime_format="%Y-%m-%d %H:%M:%S+00",
    ).encode()
