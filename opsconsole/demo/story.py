"""What the demo's files tell: two companies, two marketplaces, and one of each thing that stops a settlement."""

from dataclasses import dataclass, replace
from datetime import date

from opsconsole.demo.people import BRACKENFOLD, LINDWICK, Company
from opsconsole.demo.sheet import DE, DE_SELLER, UK, Charge, Settlement, orders_of, text_of, total_of

OTHER = ("other-transaction", "other-transaction")
ADS = ("ServiceFee", "Cost of Advertising", "TransactionTotalAmount")
RETURNS_CHARGED_FROM = date(2026, 10, 26)
LEGS_HEADER = "order-id,ship-from,ship-to"
V1_HEADER = (
    "settlement-id settlement-start-date settlement-end-date deposit-date total-amount currency transaction-type "
    "order-id merchant-order-id adjustment-id shipment-id marketplace-name shipment-fee-type shipment-fee-amount "
    "order-fee-type order-fee-amount fulfillment-id posted-date order-item-code merchant-order-item-id merchant- "
    "adjustment-item-id sku quantity-purchased price-type price-amount item-related-fee-type item-related-fee- "
    "amount misc-fee-amount other-fee-amount other-fee-reason-description promotion-id promotion-type promotion- "
    "amount direct-payment-type direct-payment-amount other-amount"
)


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file and where it came from."""

    company: Company
    connection: str
    name: str
    text: str


def _usual(ads: str, storage: str = "", subscription: str = "-25.00") -> tuple[Charge, ...]:
    charges = [Charge(kind=ADS, amounts=(ads,)), Charge(kind=(*OTHER, "Subscription Fee"), amounts=(subscription,))]
    if storage:
        charges.append(Charge(kind=(*OTHER, "Storage Fee"), amounts=(storage,)))
    return tuple(charges)


GIFT_NOTES = Charge(kind=("Order", "ItemFees", "GiftMessageFee"), amounts=("-1.35",) * 31, on_orders=True)
LABELS = Charge(kind=(*OTHER, "Label Compliance Fee"), amounts=("-15.40", "-15.40", "-15.40"))
LOW_STOCK = Charge(
    kind=("Order", "ItemFees", "LowInventoryLevelFee"), amounts=("-0.62", "-0.89", "-1.24") * 72, on_orders=True
)
PEAK = Charge(kind=("FBAFees", "FBA Peak Season Surcharge", "Base fee"), amounts=("-214.38", "-198.22"))
BRAND = Charge(kind=("ServiceFee", "Brand Campaign", "TransactionTotalAmount"), amounts=("-320.00", "-320.00"))
COUPON = Charge(kind=("CouponRedemptionFee", "CouponRedemptionFee", "Autumn linen 10 percent"), amounts=("-0.50",) * 44)
DAMAGED = Charge(
    kind=("other-transaction", "FBA Inventory Reimbursement", "WAREHOUSE_DAMAGE"), amounts=("24.99", "64.17")
)
PACKAGING = Charge(kind=("Order", "ItemFees", "PackagingRecoveryFee"), amounts=("-0.18", "-0.27") * 190, on_orders=True)

UK_1 = Settlement(
    number="21480713301", market=UK, start=date(2026, 9, 9), orders=420, refunds=29, reserve="1840.22",
    reserve_before="1702.90", charges=(*_usual("-612.48", storage="-188.40"), GIFT_NOTES, DAMAGED),
)  # fmt: skip
UK_2 = Settlement(
    number="21480713318", market=UK, start=date(2026, 9, 23), orders=460, refunds=35, reserve="2017.65",
    reserve_before="1840.22", charges=(*_usual("-655.10"), COUPON),
)  # fmt: skip
UK_3 = Settlement(
    number="21480713342", market=UK, start=date(2026, 10, 7), orders=510, refunds=41, reserve="2206.09",
    reserve_before="2017.65", charges=(*_usual("-702.77", storage="-201.16"), LABELS),
)  # fmt: skip
UK_4 = Settlement(
    number="21480713367", market=UK, start=date(2026, 10, 21), orders=820, refunds=150, reserve="3105.50",
    reserve_before="2206.09", returns_charged_from=RETURNS_CHARGED_FROM, charges=(*_usual("-840.00"), COUPON),
)  # fmt: skip
UK_5 = Settlement(
    number="21480713390", market=UK, start=date(2026, 11, 4), orders=940, refunds=158, reserve="3390.14",
    reserve_before="3105.50", returns_charged_from=RETURNS_CHARGED_FROM,
    charges=(*_usual("-1014.33", storage="-236.71"), LOW_STOCK, PEAK, BRAND),
)  # fmt: skip
GARDEN_1 = Settlement(
    number="21480790045", market=UK, start=date(2026, 10, 7), orders=120, refunds=8, reserve="260.00",
    charges=_usual("-140.00"),
)  # fmt: skip
GARDEN_2 = Settlement(
    number="21480790061", market=UK, start=date(2026, 10, 21), orders=140, refunds=9, reserve="310.00",
    reserve_before="260.00", charges=_usual("-152.60"), lost=7,
)  # fmt: skip
GARDEN_3 = Settlement(
    number="21480790088", market=UK, start=date(2026, 11, 4), orders=130, refunds=7, reserve="295.40",
    reserve_before="310.00", charges=_usual("-149.20"),
)  # fmt: skip
DE_1 = Settlement(
    number="21480855102", market=DE, start=date(2026, 9, 14), orders=210, refunds=16, reserve="640.00",
    charges=_usual("-310.40", subscription="-39.00"),
)  # fmt: skip
DE_2 = Settlement(
    number="21480855117", market=DE, start=date(2026, 9, 28), orders=230, refunds=18, reserve="705.30",
    reserve_before="640.00", charges=(*_usual("-322.15", subscription="-39.00"), PACKAGING), short="2.38",
)  # fmt: skip
DE_3 = Settlement(
    number="21480855133", market=DE, start=date(2026, 10, 12), orders=34, refunds=22, reserve="520.00",
    reserve_before="705.30", charges=_usual("-1480.00", storage="-96.20", subscription="-39.00"),
)  # fmt: skip
DE_4 = Settlement(
    number="21480855150", market=DE, start=date(2026, 10, 26), orders=260, refunds=21, reserve="812.45",
    reserve_before="520.00", owed_before=str(total_of(DE_3)), returns_charged_from=RETURNS_CHARGED_FROM,
    charges=_usual("-340.90", subscription="-39.00"), extra_column="invoice-group",
)  # fmt: skip
KERZEN_1 = Settlement(
    number="21480966204", market=DE_SELLER, start=date(2026, 10, 19), orders=90, refunds=6, reserve="210.00",
    charges=_usual("-118.60", subscription="-39.00"),
)  # fmt: skip


def _settlement(settlement: Settlement, company: Company, connection: str, suffix: str = "") -> Download:
    name = f"{settlement.number}_{settlement.start:%Y-%m-%d}_{settlement.end:%Y-%m-%d}{suffix}.txt"
    return Download(company=company, connection=connection, name=name, text=text_of(settlement))


def _older_layout() -> Download:
    names = V1_HEADER.split()
    summary = {"settlement-id": "21480713367", "total-amount": "100.00", "currency": "GBP"}
    text = "".join("\t".join(row) + "\n" for row in (names, [summary.get(name, "") for name in names]))
    return Download(company=BRACKENFOLD, connection="amazon.co.uk", name="settlement_october_V1.txt", text=text)


def settlement_files() -> list[Download]:
    """In the order of their download."""
    shop = [_settlement(each, BRACKENFOLD, "amazon.co.uk") for each in (UK_1, UK_2, UK_3, UK_4, UK_5)]
    german = [_settlement(each, BRACKENFOLD, "amazon.de") for each in (DE_1, DE_2, DE_3, DE_4)]
    garden = [_settlement(each, BRACKENFOLD, "amazon.co.uk, garden") for each in (GARDEN_1, GARDEN_2, GARDEN_3)]
    again = _settlement(replace(GARDEN_1, later=2), BRACKENFOLD, "amazon.co.uk, garden", " (1)")
    return [*shop, *german, *garden, again, _older_layout(), _settlement(KERZEN_1, LINDWICK, "amazon.de")]


def leg_files() -> list[Download]:
    """Where some orders went: most of the United Kingdom's from and to it, Germany's also out of Poland."""
    home = [
        f"{order},GB,{'IE' if place % 12 == 0 else 'GB'}" for place, order in enumerate(orders_of(UK_4)) if place % 3
    ]
    german = [
        f"{order},{'PL' if place % 4 == 0 else 'DE'},DE" for place, order in enumerate(orders_of(DE_1)) if place % 5
    ]
    return [
        _legs("amazon.co.uk", "order_legs_uk_october.csv", home),
        _legs("amazon.de", "order_legs_de_september.csv", german),
    ]


def late_leg_file() -> Download:
    """It comes when the settlement of its orders has left."""
    rows = [f"{order},GB,{'IE' if place % 5 == 0 else 'GB'}" for place, order in enumerate(orders_of(UK_2)) if place % 2]
    return _legs("amazon.co.uk", "order_legs_uk_september.csv", rows)


def lost_leg_file() -> Download:
    """The one whose worker went silent."""
    rows = [f"{order},DE,DE" for order in orders_of(DE_4)]
    return _legs("amazon.de", "order_legs_de_november.csv", rows)


def _legs(connection: str, name: str, rows: list[str]) -> Download:
    text = "".join(f"{row}\n" for row in (LEGS_HEADER, *rows))
    return Download(company=BRACKENFOLD, connection=connection, name=name, text=text)
