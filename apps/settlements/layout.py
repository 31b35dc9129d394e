"""Which report a header line belongs to: V2 is read, every other layout is refused by its name (vocabulary section 1)."""

import re

COLUMNS = (
    "settlement-id", "settlement-start-date", "settlement-end-date", "deposit-date", "total-amount", "currency",
    "transaction-type", "order-id", "merchant-order-id", "adjustment-id", "shipment-id", "marketplace-name", "amount-type",
    "amount-description", "amount", "fulfillment-id", "posted-date", "posted-date-time", "order-item-code",
    "merchant-order-item-id", "merchant-adjustment-item-id", "sku", "quantity-purchased", "promotion-id",
)  # fmt: skip
ORDER_ID_LONGEST = 120
COLUMN_LONGEST = 120
SHOWN = 60  # characters of what cannot be read, in words about it
V1_ONLY = {"shipment-fee-type", "order-fee-type", "price-type", "item-related-fee-type", "misc-fee-amount"}


class Unreadable(Exception):
    """A file that is refused: `reason` for programs, `line` counts from 1 at the header, `words` for people."""

    def __init__(self, reason: str, line: int, words: str):
        super().__init__(words)
        self.reason = reason
        self.line = line
        self.words = words


def split_header(header: str, head: str, line: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(all column names in the file's order, those beyond the layout) of a V2 file; raises `Unreadable` for any other."""
    given = (name.strip().strip('"').lower() for name in header.split("\t"))
    names = tuple(name or f"column {number}" for number, name in enumerate(given, 1))
    if "\t" not in header and re.search(r'(?im)^"?date/time"?[,;\t]', head):
        raise Unreadable(
            "layout-date-range",
            line,
            "This is the date-range transaction report. It has no total to tie to: upload the settlement report, flat file V2.",
        )
    if "\t" not in header and re.match(r'"?settlement-id"?[,;]', header, re.IGNORECASE):
        raise Unreadable(
            "resaved-by-spreadsheet",
            line,
            "A spreadsheet re-saved this file and shortened its long numbers. Download it again and upload it untouched.",
        )
    known = set(names)
    if "settlement-id" in known and known & V1_ONLY:
        raise Unreadable(
            "layout-v1",
            line,
            "This is the older settlement layout (V1). Amazon offers the same settlement as flat file V2: upload that one.",
        )
    missing = [name for name in COLUMNS if name not in known]
    if len(missing) > len(COLUMNS) // 2:
        raise Unreadable(
            "not-a-settlement",
            line,
            f"This is not a settlement report: its first line names no settlement columns. It begins “{header.strip()[:SHOWN]}”.",
        )
    extra = tuple(name for name in names if name not in COLUMNS)
    if missing:
        instead = f" It has {', '.join(extra)} that we do not know." if extra else ""
        raise Unreadable("column-missing", line, f"The header lacks {', '.join(missing)}.{instead} Nothing was read.")
    if too_long := next((name for name in extra if len(name) > COLUMN_LONGEST), None):
        raise Unreadable(
            "column-too-long",
            line,
            f"The header names a column “{too_long[:SHOWN]}…”; expected {COLUMN_LONGEST} characters at most.",
        )
    if len(known) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise Unreadable("column-twice", line, f"The header names {', '.join(twice)} twice.")
    return names, extra
