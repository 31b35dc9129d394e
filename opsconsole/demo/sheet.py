"""Made-up settlement files in the layout of flat file V2, the same on every machine. Pure."""

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random

from apps.settlements.layout import COLUMNS

CENT = Decimal("0.01")
REFERRAL = Decimal("0.15")
DIGITAL_SERVICES = Decimal("0.02")
RETURNED_FEE_KEPT = Decimal("0.2")
MERCHANT_SKUS = {  # -> price without VAT, what Amazon takes to pick, pack and ship one, and to take one back
    "BF-LINEN-KG-SAGE": ("64.17", "5.12", "6.18"),
    "BF-LINEN-KG-SALT": ("64.17", "5.12", "6.18"),
    "BF-LINEN-PC-SAGE": ("18.33", "2.84", "3.92"),
    "BF-OAKTRAY-40": ("29.17", "4.37", "4.74"),
    "BF-MUG-0350-4": ("24.99", "3.96", "4.36"),
    "BF-THROW-WOOL-GREY": ("41.66", "4.71", "5.24"),
    "BF-CANDLE-FIG-220": ("13.33", "2.39", "2.95"),
    "BF-BASKET-SEAGRASS-L": ("33.33", "5.81", "6.42"),
}
NUMBERED = "0123456789"


@dataclass(frozen=True, kw_only=True)
class Market:
    """How a marketplace writes. `facilitator`: Amazon collects the VAT and keeps it."""

    name: str
    currency: str
    vat: Decimal
    prefix: str
    facilitator: bool = False
    comma: bool = False


UK = Market(name="Amazon.co.uk", currency="GBP", vat=Decimal("0.20"), prefix="204")
DE = Market(name="Amazon.de", currency="EUR", vat=Decimal("0.19"), prefix="303", facilitator=True, comma=True)
DE_SELLER = Market(name="Amazon.de", currency="EUR", vat=Decimal("0.19"), prefix="306", comma=True)


@dataclass(frozen=True, kw_only=True)
class Charge:
    """Lines of one kind beside the ordinary ones: so much each, on days spread over the period from `since` on."""

    kind: tuple[str, str, str]
    amounts: tuple[str, ...]
    since: date | None = None
    on_orders: bool = False


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What one file says. `returns_charged_from`: since then each return costs a fee that no chart knows.

    `lost` lines are missing at the end although total-amount counts them; `later` refunds are those of a second
    download; `short` is what Amazon withheld too little of one order's VAT.
    """

    number: str
    market: Market
    start: date
    days: int = 14
    orders: int
    refunds: int
    reserve: str = "0"
    reserve_before: str = "0"
    owed_before: str = "0"
    charges: tuple[Charge, ...] = ()
    returns_charged_from: date | None = None
    lost: int = 0
    later: int = 0
    short: str = "0"
    extra_column: str = ""

    @property
    def end(self) -> date:
        return self.start + timedelta(days=self.days)


@dataclass(frozen=True, kw_only=True)
class Sale:
    """An order that may come back."""

    at: datetime
    item: dict[str, str]
    sku: str
    referral: Decimal


@dataclass
class Sheet:
    """The lines of one file as they are written."""

    settlement: Settlement
    chance: Random = field(init=False)
    missing: Decimal = field(init=False)
    lines: list[dict[str, str]] = field(default_factory=list)
    sold: list[Sale] = field(default_factory=list)
    total: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        self.chance = Random(self.settlement.number)
        self.missing = Decimal(self.settlement.short)

    @property
    def starts(self) -> datetime:
        return datetime.combine(self.settlement.start, time(8, 14, 52), UTC)

    @property
    def ends(self) -> datetime:
        return self.starts + timedelta(days=self.settlement.days)

    def add(self, kind: tuple[str, str, str], amount: Decimal, at: datetime, **fields: str) -> None:
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
                **{name.replace("_", "-"): value for name, value in fields.items()},
            }
        )

    def money(self, amount: Decimal) -> str:
        return f"{amount:.2f}".replace(".", "," if self.settlement.market.comma else ".")

    def digits(self, count: int) -> str:
        return "".join(self.chance.choices(NUMBERED, k=count))

    def moment(self, since: date | None = None) -> datetime:
        first = self.starts if since is None else max(self.starts, datetime.combine(since, time(7), UTC))
        return first + timedelta(seconds=self.chance.randrange(int((self.ends - first).total_seconds())))

    def order(self, at: datetime) -> None:
        market, sku = self.settlement.market, self.chance.choice(list(MERCHANT_SKUS))
        price, handling, _ = (Decimal(text) for text in MERCHANT_SKUS[sku])
        vat = _cents(price * market.vat)
        item = {
            "order_id": f"{market.prefix}-{self.digits(7)}-{self.digits(7)}",
            "order_item_code": f"0{self.digits(13)}",
            "shipment_id": f"D{self.digits(8)}",
            "marketplace_name": market.name,
            "fulfillment_id": "AFN",
            "sku": sku,
            "quantity_purchased": "1",
        }
        self.add(("Order", "ItemPrice", "Principal"), price, at, **item)
        self.add(("Order", "ItemPrice", "Tax"), vat, at, **item)
        if market.facilitator:
            missing, self.missing = (self.missing, Decimal(0)) if vat > 3 * self.missing else (Decimal(0), self.missing)
            self.add(("Order", "ItemWithheldTax", "MarketplaceFacilitatorVAT-Principal"), missing - vat, at, **item)
        referral = _cents((price + vat) * REFERRAL)
        self.add(("Order", "ItemFees", "Commission"), -referral, at, **item)
        self.add(("Order", "ItemFees", "FBAPerUnitFulfillmentFee"), -handling, at, **item)
        if market is UK:
            self.add(("Order", "ItemFees", "DigitalServicesFee"), -_cents(referral * DIGITAL_SERVICES), at, **item)
        self.sold.append(Sale(at=at, item=item, sku=sku, referral=referral))

    def refund(self, at: datetime) -> None:
        """Of an earlier order of this file, each at most once."""
        earlier = bisect_left(self.sold, at, key=lambda sale: sale.at)
        if not earlier:
            return
        sale = self.sold.pop(self.chance.randrange(earlier))
        item, referral, market = sale.item, sale.referral, self.settlement.market
        price, _, taking_back = (Decimal(text) for text in MERCHANT_SKUS[sale.sku])
        vat = _cents(price * market.vat)
        back = {name: text for name, text in item.items() if name not in ("shipment_id", "quantity_purchased")}
        back |= {"adjustment_id": f"amzn1:crow:{self.digits(12)}", "merchant_adjustment_item_id": self.digits(14)}
        self.add(("Refund", "ItemPrice", "Principal"), -price, at, **back)
        self.add(("Refund", "ItemPrice", "Tax"), -vat, at, **back)
        if market.facilitator:
            self.add(("Refund", "ItemWithheldTax", "MarketplaceFacilitatorVAT-Principal"), vat, at, **back)
        self.add(("Refund", "ItemFees", "Commission"), referral, at, **back)
        self.add(("Refund", "ItemFees", "RefundCommission"), -_cents(referral * RETURNED_FEE_KEPT), at, **back)
        charged_from = self.settlement.returns_charged_from
        if charged_from and at.date() >= charged_from:
            self.add(("Refund", "ItemFees", "FBACustomerReturnPerUnitFee"), -taking_back, at, **back)

    def charge(self, charge: Charge) -> None:
        for text in charge.amounts:
            about = self.chance.choice(self.sold).item if charge.on_orders else {}
            self.add(charge.kind, Decimal(text), self.moment(charge.since), **about)

    def write(self) -> None:
        this = self.settlement
        other = ("other-transaction", "other-transaction")
        if Decimal(this.owed_before):
            self.add((*other, "Payable to Amazon"), Decimal(this.owed_before), self.starts)
        if Decimal(this.reserve_before):
            self.add((*other, "Previous Reserve Amount Balance"), Decimal(this.reserve_before), self.starts)
        for at in sorted(self.moment() for _ in range(this.orders)):
            self.order(at)
        for at in sorted(self.moment() for _ in range(this.refunds)):
            self.refund(at)
        for charge in this.charges:
            self.charge(charge)
        for _ in range(this.later):
            self.refund(self.ends - timedelta(hours=2))
        if Decimal(this.reserve):
            # Amazon posts it seconds after the end.
            self.add((*other, "Current Reserve Amount"), -Decimal(this.reserve), self.ends + timedelta(seconds=7))


def text_of(settlement: Settlement) -> str:
    """The whole file."""
    sheet = Sheet(settlement)
    sheet.write()
    summary = {
        "settlement-id": settlement.number,
        "settlement-start-date": f"{sheet.starts:%d.%m.%Y %H:%M:%S} UTC",
        "settlement-end-date": f"{sheet.ends:%d.%m.%Y %H:%M:%S} UTC",
        "deposit-date": f"{sheet.ends + timedelta(days=2):%d.%m.%Y %H:%M:%S} UTC",
        "total-amount": sheet.money(sheet.total),
        "currency": settlement.market.currency,
    }
    lines = sheet.lines[: len(sheet.lines) - settlement.lost]
    names = COLUMNS
    if settlement.extra_column:
        names = (*COLUMNS, settlement.extra_column)
        lines = [line | {settlement.extra_column: "standard"} for line in lines]
    table = [names, *([row.get(name, "") for name in names] for row in (summary, *lines))]
    return "".join("\t".join(cells) + "\r\n" for cells in table)


def orders_of(settlement: Settlement) -> list[str]:
    """Ids of the orders sold in it, each once, in the file's order."""
    sheet = Sheet(settlement)
    sheet.write()
    return list(dict.fromkeys(line["order-id"] for line in sheet.lines if line["transaction-type"] == "Order"))


def total_of(settlement: Settlement) -> Decimal:
    sheet = Sheet(settlement)
    sheet.write()
    return sheet.total


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)
