"""Settlement files made up for tests."""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal

from apps.settlements.layout import COLUMNS

ORDER = {
    "transaction-type": "Order", "order-id": "202-0000001-0000001", "order-item-code": "07821148853890",
    "marketplace-name": "Amazon.co.uk", "amount-type": "ItemPrice", "amount-description": "Principal", "fulfillment-id": "AFN",
    "posted-date": "26.10.2026", "posted-date-time": "26.10.2026 12:00:00 UTC", "sku": "MUG-01", "quantity-purchased": "1",
}  # fmt: skip


def line(amount: str, **fields: str) -> dict[str, str]:
    """An order line; `amount_type="ItemFees"` and the like change a field."""
    return {**ORDER, "amount": amount, **{name.replace("_", "-"): value for name, value in fields.items()}}


SALE = (
    line("100.00"),
    line("20.00", amount_description="Tax"),
    line("-15.00", amount_type="ItemFees", amount_description="Commission"),
)


def reserve(given_back: str = "", kept: str = "") -> tuple[dict[str, str], ...]:
    """The reserve lines of a file: what it was given back, and what it kept."""
    other = {"transaction_type": "other-transaction", "amount_type": "other-transaction", "marketplace_name": "",
             "order_id": "", "order_item_code": "", "sku": "", "quantity_purchased": "", "fulfillment_id": ""}  # fmt: skip
    back = (line(given_back, **other, amount_description="Previous Reserve Amount Balance"),) if given_back else ()
    return (*back, line(f"{-Decimal(kept)}", **other, amount_description="Current Reserve Amount")) if kept else back


@dataclass(frozen=True, kw_only=True)
class File:
    """A whole file; `total` None is the sum of the lines."""

    settlement_id: str = "30000000001"
    lines: tuple[dict[str, str], ...] = SALE
    total: str | None = None
    currency: str = "GBP"
    start: str = "24.10.2026 00:00:00 UTC"
    end: str = "07.11.2026 00:00:00 UTC"
    deposit: str = "09.11.2026 00:00:00 UTC"
    columns: tuple[str, ...] = COLUMNS
    line_end: str = "\n"
    encoding: str = "utf-8"
    comma: bool = False
    extra: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        total = self.total
        if total is None:
            total = f"{sum(Decimal(row['amount'].strip()) for row in self.lines):f}"
        head = {
            "settlement-id": self.settlement_id, "settlement-start-date": self.start, "settlement-end-date": self.end,
            "deposit-date": self.deposit, "total-amount": self._money(total), "currency": self.currency,
        }  # fmt: skip
        rows = [
            head,
            *({"settlement-id": self.settlement_id, **row, "amount": self._money(row["amount"])} for row in self.lines),
        ]
        names = (*self.columns, *self.extra)
        table = [
            names,
            *([(row | self.extra if row is not head else row).get(name, "") for name in names] for row in rows),
        ]
        return "".join("\t".join(cells) + self.line_end for cells in table)

    def bytes(self) -> bytes:
        return self.text().encode(self.encoding)

    def of_days(self, start: date, end: date) -> "File":
        """From one day to another, paid two days later."""
        days = (start, end, end + timedelta(days=2))
        return self.but(**dict(zip(("start", "end", "deposit"), (f"{day:%d.%m.%Y} 12:00:00 UTC" for day in days), strict=True)))

    def but(self, **changes) -> "File":
        return replace(self, **changes)

    def _money(self, text: str) -> str:
        return text.replace(".", ",") if self.comma else text
