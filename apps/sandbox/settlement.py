"""Settlements about the world's orders, written as flat file V2: total-amount is the sum of the lines.

Layout and line kinds as real files have them (settlement-vocabulary.md 1 and 2).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random

from apps.sandbox.catalogue import AFN, DE, GB, Market
from apps.sandbox.lives import DAY, HOUR, Line, Order
from apps.sandbox.orders import amounts
from apps.sandbox.world import World

COLUMNS = (
    "settlement-id", "settlement-start-date", "settlement-end-date", "deposit-date", "total-amount", "currency",
    "transaction-type", "order-id", "merchant-order-id", "adjustment-id", "shipment-id", "marketplace-name", "amount-type",
    "amount-description", "amount", "fulfillment-id", "posted-date", "posted-date-time", "order-item-code",
    "merchant-order-item-id", "merchant-adjustment-item-id", "sku", "quantity-purchased", "promotion-id",
)  # fmt: skip
CENT = Decimal("0.01")
REFERRAL, DIGITAL_SERVICES, KEPT_OF_REFUND = Decimal("0.15"), Decimal("0.02"), Decimal("0.2")
HANDLING = Decimal("3.85")  # what Amazon takes to pick, pack and ship one unit
READY = 2 * HOUR  # after its end the report is there
PROMOTION = {"GB": "Autumn offer, £5 and more", "DE": "Herbstangebot für Stammkunden"}
OTHER = ("other-transaction", "other-transaction")


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """`before` and `reserve`: what the last one held back and what this one does. `charset` of its bytes."""

    number: str
    market: Market
    begins: datetime
    ends: datetime
    before: str
    reserve: str
    charset: str

    @property
    def ready(self) -> datetime:
        return self.ends + READY


def settlements(world: World) -> list[Settlement]:
    """Three that are there at the start, the oldest first, and one that ends thirteen days later."""

    def made(place: int, market: Market, days: int, before: str, reserve: str) -> Settlement:
        begins = world.start + days * DAY
        return Settlement(
            number=f"2159{world.seed % 1000:03d}{place:04d}", market=market, begins=begins, ends=begins + 14 * DAY,
            before=before, reserve=reserve, charset="utf-8" if place % 2 else "cp1252",
        )  # fmt: skip

    return [
        made(1, GB, -29, "0.00", "212.40"),
        made(2, DE, -22, "0.00", "130.00"),
        made(3, GB, -15, "212.40", "240.15"),
        made(4, GB, -1, "240.15", "198.00"),
    ]


@dataclass
class Sheet:
    """The lines of one file as they are written."""

    settlement: Settlement
    chance: Random = field(init=False)
    lines: list[dict[str, str]] = field(default_factory=list)
    total: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        self.chance = Random(self.settlement.number)

    def add(self, kind: tuple[str, str, str], amount: Decimal, at: datetime, about: dict[str, str]) -> None:
        transaction_type, amount_type, description = kind
        self.total += amount
        self.lines.append(
            {
                "settlement-id": self.settlement.number,
                "transaction-type": transaction_type,
                "amount-type": amount_type,
                "amount-description": description,
                "amount": self.money(amount),
                "posted-date": f"{at:%d.%m.%Y}",
                "posted-date-time": f"{at:%d.%m.%Y %H:%M:%S} UTC",
                **about,
            }
        )

    def money(self, amount: Decimal) -> str:
        return f"{amount:.2f}".replace(".", "," if self.settlement.market is DE else ".")

    def sold(self, order: Order, line: Line, at: datetime) -> None:
        market = order.market
        about = {
            "order-id": order.id,
            "shipment-id": f"D{self.chance.randrange(10**8):08d}",
            "marketplace-name": market.name if order.on_amazon else f"Non-{market.name}",
            "fulfillment-id": line.product.channel,
            "order-item-code": line.item_id,
            "sku": line.product.sku,
            "quantity-purchased": str(line.quantity),
        }
        handling = -HANDLING * line.quantity
        if not order.on_amazon:
            self.add(("Order", "ItemPrice", "Principal"), Decimal(0), at, about)
            self.add(("Order", "ItemFees", "FBAPerUnitFulfillmentFee"), handling, at, about)
            return
        parts = amounts(line, order)
        referral = _cents((parts["ITEM"] + parts["TAX"]) * REFERRAL)
        self.add(("Order", "ItemPrice", "Principal"), parts["ITEM"], at, about)
        self.add(("Order", "ItemPrice", "Tax"), parts["TAX"], at, about)
        if market.facilitator:
            self.add(("Order", "ItemWithheldTax", "MarketplaceFacilitatorVAT-Principal"), -parts["TAX"], at, about)
        if "DISCOUNT" in parts:
            promoted = about | {"promotion-id": PROMOTION[market.country]}
            self.add(("Order", "Promotion", "Principal"), parts["DISCOUNT"], at, promoted)
        self.add(("Order", "ItemFees", "Commission"), -referral, at, about)
        if line.product.channel == AFN:
            self.add(("Order", "ItemFees", "FBAPerUnitFulfillmentFee"), handling, at, about)
        if market is GB:
            self.add(("Order", "ItemFees", "DigitalServicesFee"), -_cents(referral * DIGITAL_SERVICES), at, about)

    def returned(self, order: Order, line: Line, at: datetime) -> None:
        """The whole line. Amazon keeps a fifth of its commission."""
        parts = amounts(line, order)
        referral = _cents((parts["ITEM"] + parts["TAX"]) * REFERRAL)
        about = {
            "order-id": order.id,
            "adjustment-id": f"amzn1:crow:{self.chance.randrange(10**12):012d}",
            "marketplace-name": order.market.name,
            "fulfillment-id": line.product.channel,
            "order-item-code": line.item_id,
            "merchant-adjustment-item-id": f"{self.chance.randrange(10**14):014d}",
            "sku": line.product.sku,
        }
        self.add(("Refund", "ItemPrice", "Principal"), -parts["ITEM"], at, about)
        self.add(("Refund", "ItemPrice", "Tax"), -parts["TAX"], at, about)
        if order.market.facilitator:
            self.add(("Refund", "ItemWithheldTax", "MarketplaceFacilitatorVAT-Principal"), parts["TAX"], at, about)
        if "DISCOUNT" in parts:
            promoted = about | {"promotion-id": PROMOTION[order.market.country]}
            self.add(("Refund", "Promotion", "Principal"), -parts["DISCOUNT"], at, promoted)
        self.add(("Refund", "ItemFees", "Commission"), referral, at, about)
        self.add(("Refund", "ItemFees", "RefundCommission"), -_cents(referral * KEPT_OF_REFUND), at, about)

    def write(self, orders: list[Order]) -> None:
        this = self.settlement
        if Decimal(this.before):
            self.add((*OTHER, "Previous Reserve Amount Balance"), Decimal(this.before), this.begins, {})
        for order in orders:
            if order.market is not this.market:
                continue
            left = next((phase.at for phase in order.phases if phase.status == "SHIPPED"), None)
            if left and this.begins <= left < this.ends:
                for line in order.lines:
                    self.sold(order, line, left)
                if order.on_amazon and self.chance.random() < 0.06 and left + DAY < this.ends:
                    self.returned(order, order.lines[0], left + DAY)
        middle = this.begins + 7 * DAY
        self.add(("ServiceFee", "Cost of Advertising", "TransactionTotalAmount"), Decimal("-84.60"), middle, {})
        self.add((*OTHER, "Storage Fee"), Decimal("-31.18"), middle, {})
        self.add((*OTHER, "Subscription Fee"), Decimal("-25.00"), middle, {})
        # Amazon posts it seconds after the end.
        self.add((*OTHER, "Current Reserve Amount"), -Decimal(this.reserve), this.ends + timedelta(seconds=7), {})


def file_of(settlement: Settlement, world: World) -> bytes:
    sheet = Sheet(settlement)
    sheet.write(world.orders)
    summary = {
        "settlement-id": settlement.number,
        "settlement-start-date": f"{settlement.begins:%d.%m.%Y %H:%M:%S} UTC",
        "settlement-end-date": f"{settlement.ends:%d.%m.%Y %H:%M:%S} UTC",
        "deposit-date": f"{settlement.ends + 2 * DAY:%d.%m.%Y %H:%M:%S} UTC",
        "total-amount": sheet.money(sheet.total),
        "currency": settlement.market.currency,
    }
    rows = [COLUMNS, *([line.get(name, "") for name in COLUMNS] for line in (summary, *sheet.lines))]
    return "".join("\t".join(row) + "\r\n" for row in rows).encode(settlement.charset)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)
