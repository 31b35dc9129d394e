"""What the made-up seller lists, and where. EAN, ASIN and FNSKU follow from a product's place in the list."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

ALPHABET = "0123456789BCDFGHJKLMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Market:
    """`prefix` begins its order ids; `facilitator`: Amazon collects the VAT and keeps it."""

    id: str
    name: str
    domain: str
    country: str
    language: str
    currency: str
    vat: Decimal
    prefix: str
    facilitator: bool


GB = Market("A1F83G8C2ARO7P", "Amazon.co.uk", "www.amazon.co.uk", "GB", "en_GB", "GBP", Decimal("0.20"), "20", False)
DE = Market("A1PA6795UKMFR9", "Amazon.de", "www.amazon.de", "DE", "de_DE", "EUR", Decimal("0.19"), "30", True)
MARKETS = (GB, DE)
BY_ID = {market.id: market for market in MARKETS}

AFN, MFN = "AFN", "MFN"
UK, BOTH, GERMANY = (GB,), MARKETS, (DE,)
LONG_AGO, YESTERDAY = timedelta(days=400), timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class Product:
    """One merchant SKU. `price` is in pounds with VAT; `age`: how long before the start it was listed."""

    sku: str
    title: str
    price: Decimal
    kind: str
    channel: str
    markets: tuple[Market, ...]
    asin: str
    fnsku: str
    ean: str
    age: timedelta

    def price_in(self, market: Market) -> Decimal:
        return self.price if market is GB else self.price + 3


# sku, title, price, Amazon's product type, who ships it, where it is listed, whose product it is if it is another SKU of one
ROWS = (
    ("BF-LINEN-KG-SAGE", "Linen duvet set, king, sage", "76.99", "BEDDING_SET", AFN, BOTH, ""),
    ("BF-LINEN-KG-SALT", "Linen duvet set, king, salt", "76.99", "BEDDING_SET", AFN, BOTH, ""),
    ("BF-LINEN-DB-SAGE", "Linen duvet set, double, sage", "66.99", "BEDDING_SET", AFN, UK, ""),
    ("BF-LINEN-PC-SAGE", "Linen pillowcase, pair, sage", "21.99", "PILLOWCASE", AFN, BOTH, ""),
    ("BF-LINEN-PC-SALT", "Linen pillowcase, pair, salt", "21.99", "PILLOWCASE", AFN, UK, ""),
    ("BF-MUG-0350-4", "Stoneware mug 350 ml, set of 4", "29.99", "DRINKING_CUP", AFN, BOTH, ""),
    ("BF-MUG-0350-2", "Stoneware mug 350 ml, set of 2", "17.99", "DRINKING_CUP", AFN, BOTH, ""),
    ("BF-MUG-0350", "Stoneware mug 350 ml", "9.99", "DRINKING_CUP", AFN, UK, ""),
    ("BF-THROW-WOOL-GREY", "Wool throw, grey", "49.99", "BLANKET", AFN, BOTH, ""),
    ("BF-THROW-GREY-OLD", "Wool throw, grey", "52.99", "BLANKET", AFN, UK, "BF-THROW-WOOL-GREY"),
    ("BF-THROW-WOOL-MOSS", "Wool throw, moss", "49.99", "BLANKET", AFN, UK, ""),
    ("BF-CANDLE-FIG-220", "Scented candle, fig, 220 g", "15.99", "CANDLE", AFN, BOTH, ""),
    ("BF-CANDLE-OUD-220", "Scented candle, oud, 220 g", "15.99", "CANDLE", AFN, UK, ""),
    ("BF-CANDLE-FIG-220-6", "Scented candle, fig, 220 g, set of 6", "84.99", "CANDLE", AFN, UK, ""),
    ("BF-BASKET-SEAGRASS-L", "Seagrass basket, large", "39.99", "STORAGE_BASKET", AFN, BOTH, ""),
    ("BF-BASKET-SEAGRASS-M", "Seagrass basket, medium", "31.99", "STORAGE_BASKET", AFN, UK, ""),
    ("BF-TOWEL-BTH-ECRU", "Bath towel, ecru", "24.99", "TOWEL", AFN, BOTH, ""),
    ("BF-TOWEL-BTH-ECRU-FBM", "Bath towel, ecru", "26.99", "TOWEL", MFN, UK, "BF-TOWEL-BTH-ECRU"),
    ("BF-OAKTRAY-40-UK", "Oak serving tray 40 cm", "27.99", "SERVING_TRAY", MFN, UK, ""),
    ("BF-OAKTRAY-40-DE", "Serviertablett Eiche 40 cm", "27.99", "SERVING_TRAY", MFN, GERMANY, "BF-OAKTRAY-40-UK"),
    ("BF-OAKTRAY-40-S2", "Oak serving tray 40 cm, set of 2", "49.99", "SERVING_TRAY", MFN, UK, ""),
    ("BF-OAKTRAY-30", "Oak serving tray 30 cm", "22.99", "SERVING_TRAY", MFN, BOTH, ""),
    ("BF-RUNNER-FLAX", "Flax table runner", "34.99", "TABLE_RUNNER", MFN, BOTH, ""),
    ("BF-VASE-CLAY-S", "Clay vase, small", "18.99", "VASE", MFN, UK, ""),
    ("BF-VASE-CLAY-L", "Clay vase, large", "32.99", "VASE", MFN, UK, ""),
    ("BF-LAMP-RATTAN", "Rattan table lamp", "59.99", "LAMP", MFN, UK, ""),
    ("BF-STOOL-OAK", "Oak stool", "89.99", "STOOL_SEATING", MFN, BOTH, ""),
    ("BF-BOARD-OLIVE", "Olive wood board", "36.99", "CUTTING_BOARD", MFN, BOTH, ""),
    ("0047120", "Beeswax polish 250 ml", "11.99", "HOUSEHOLD_CLEANER", MFN, UK, ""),
    ("BF-OAKTRAY-40-UK2", "Oak serving tray 40 cm, natural", "27.99", "SERVING_TRAY", MFN, UK, "BF-OAKTRAY-40-UK"),
    ("BF-VASE-CLAY-XL", "Clay vase, extra large", "44.99", "VASE", MFN, UK, ""),
    ("BF-CANDLE-PINE-220", "Scented candle, pine, 220 g", "15.99", "CANDLE", AFN, UK, ""),
    ("BF-LAEUFER-FLACHS", "Tischläufer Flachs", "34.99", "TABLE_RUNNER", MFN, GERMANY, "BF-RUNNER-FLAX"),
)
NEW = ("BF-OAKTRAY-40-UK2", "BF-VASE-CLAY-XL", "BF-CANDLE-PINE-220", "BF-LAEUFER-FLACHS")
"""Listed yesterday: whoever keeps the mappings has not heard of them."""
FLIPS = "BF-TOWEL-BTH-ECRU-FBM"
"""The merchant's at first, Amazon's later."""


def products() -> dict[str, Product]:
    made: dict[str, Product] = {}
    for place, (sku, title, price, kind, channel, markets, same_as) in enumerate(ROWS):
        twin = made.get(same_as)
        made[sku] = Product(
            sku=sku, title=title, price=Decimal(price), kind=kind, channel=channel, markets=markets,
            asin=twin.asin if twin else f"B0BF{_letters(place, 6)}",
            fnsku=_fnsku(place, twin) if channel == AFN or sku == FLIPS else "",
            ean=twin.ean if twin else _ean(f"506071234{place * 7:03d}"),
            age=YESTERDAY if sku in NEW else LONG_AGO,
        )  # fmt: skip
    return made


def _fnsku(place: int, twin: Product | None) -> str:
    """Two SKUs of one product share their units at Amazon."""
    return twin.fnsku if twin and twin.fnsku else f"X00BF{_letters(place, 5)}"


def _letters(place: int, count: int) -> str:
    number, text = (place + 1) * 7919, ""
    for _ in range(count):
        number, digit = divmod(number, len(ALPHABET))
        text = ALPHABET[digit] + text
    return text


def _ean(digits: str) -> str:
    """With its check digit (GS1)."""
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"
