"""What speaks for and against a listing being an item, pure. Each signal is one sentence with a weight."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from rapidfuzz import fuzz
from rapidfuzz.utils import default_process

from apps.core.money import words

SPLIT = re.compile(r"[^0-9A-Za-z]+")
# A SKU's ending that says where or how it is sold, not what it is: -UK, -UK2, -FBA, -NEW.
ENDING = re.compile(r"(UK|GB|DE|FR|IT|ES|NL|SE|PL|BE|IE|US|CA|MX|EU|FBA|FBM|AFN|MFN|AMZ|NEW|OLD)\d*", re.IGNORECASE)
MEASURE = re.compile(r"(\d+(?:[.,]\d+)?) ?(cm|mm|ml|cl|kg|oz|inch|in|m|l|g)\b", re.IGNORECASE)
PACKS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:set|pack|box|case|lot) ?of ?(\d{1,4})\b",
        r"\b(\d{1,4})[- ]?(?:er[- ])?(?:pack|pcs|pieces|piece set|set)\b",
        r"\b(\d{1,4})er[- ]set\b",
        r"\bx ?(\d{1,4})\b",
        r"\b(\d{1,4}) ?x\b",
    )
)
PAIR = re.compile(r"\b(pair|paar)\b", re.IGNORECASE)

TITLES_ALIKE, CODES_ALIKE = 60, 85  # of 100, rapidfuzz
PRICE_FAR = Decimal("0.35")  # further than any tax on one of the two explains


@dataclass(frozen=True, kw_only=True)
class Sold:
    """A listing as it is known. `price` is of one unit as buyers paid it last; None where that is not known."""

    sku: str
    title: str = ""
    ean: str = ""
    asin: str = ""
    price: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, kw_only=True)
class Sibling:
    """Another listing that is mapped to the item, with how many orders it had."""

    sku: str
    orders: int
    same_asin: bool = False


@dataclass(frozen=True, kw_only=True)
class Goods:
    """An item, with the like listings that are mapped to it."""

    code: str
    title: str
    ean: str = ""
    asin: str = ""
    pack: int = 1
    price: Decimal | None = None
    currency: str = ""
    siblings: tuple[Sibling, ...] = ()


@dataclass(frozen=True)
class Signal:
    """Speaks for where its weight is above zero, against where it is below. `proof`: it identifies, not only resembles."""

    weight: int
    words: str
    proof: bool = False


def stem(sku: str) -> str:
    """A SKU without what says where or how it is sold: BF-OAKTRAY-40 of BF-OAKTRAY-40-UK2. Never empty."""
    parts = [part for part in SPLIT.split(sku.upper()) if part]
    while len(parts) > 1 and ENDING.fullmatch(parts[-1]):
        parts.pop()
    return "-".join(parts) or sku.upper()


def pack_of(title: str) -> int:
    """How many the words of a title say that one is: 4 for "set of 4", "4-pack" or "x4", 2 for a pair; else 1."""
    for pattern in PACKS:
        if (found := pattern.search(title)) and int(found[1]) > 0:
            return int(found[1])
    return 2 if PAIR.search(title) else 1


def units_of(sold: Sold, goods: Goods) -> int:
    """How many of the item one sold unit seems to be."""
    mine, theirs = pack_of(sold.title), _pack(goods)
    return mine // theirs if mine % theirs == 0 else 1


def same_ean(sold: Sold, goods: Goods) -> Iterator[Signal]:
    if sold.ean and goods.ean:
        if sold.ean.lstrip("0") == goods.ean.lstrip("0"):
            yield Signal(50, f"EAN {sold.ean} equal on listing and item", proof=True)
        else:
            yield Signal(-30, f"EAN differs: {goods.ean}, not {sold.ean}")


def same_asin(sold: Sold, goods: Goods) -> Iterator[Signal]:
    if sold.asin and goods.asin:
        if sold.asin == goods.asin:
            yield Signal(40, f"ASIN {sold.asin} equal on listing and item", proof=True)
        else:
            yield Signal(-15, f"ASIN differs: {goods.asin}, not {sold.asin}")


def like_title(sold: Sold, goods: Goods) -> Iterator[Signal]:
    mine, theirs = default_process(sold.title), default_process(goods.title)
    if mine and theirs and (alike := fuzz.token_set_ratio(mine, theirs)) >= TITLES_ALIKE:
        wanted = dict.fromkeys(mine.split())
        shared = sum(word in theirs.split() for word in wanted)
        yield Signal(int(alike) // 6, f"{shared} of {len(wanted)} title words equal")


def same_size(sold: Sold, goods: Goods) -> Iterator[Signal]:
    mine, theirs = _measures(sold.title), _measures(goods.title)
    for unit in mine.keys() & theirs.keys():
        if mine[unit] != theirs[unit]:
            yield Signal(-25, f"Size differs: {theirs[unit]} {unit}, not {mine[unit]} {unit}")


def like_code(sold: Sold, goods: Goods) -> Iterator[Signal]:
    mine, theirs = stem(sold.sku), stem(goods.code)
    if mine == theirs:
        less = "" if sold.sku == goods.code else ", less its ending"
        yield Signal(30, f"The SKU is the item's code {goods.code}{less}", proof=True)
    elif fuzz.ratio(mine, theirs) >= CODES_ALIKE:
        yield Signal(8, f"Its code {goods.code} is like the SKU")


def same_pack(sold: Sold, goods: Goods) -> Iterator[Signal]:
    mine, theirs = pack_of(sold.title), _pack(goods)
    if not sold.title or not goods.title:
        return
    if mine == theirs:
        yield Signal(10 if mine > 1 else 3, f"Pack of {mine} on both")
    elif mine % theirs == 0:
        yield Signal(-5, f"The listing is a pack of {mine}: {mine // theirs} of this item")
    else:
        yield Signal(-25, f"Pack differs: {theirs}, not {mine}")


def same_price(sold: Sold, goods: Goods) -> Iterator[Signal]:
    if not sold.price or not goods.price or sold.currency != goods.currency:
        return
    units = units_of(sold, goods)
    expected = goods.price * units
    each = f" for {units}" if units > 1 else ""
    off = abs(sold.price - expected) / expected
    if not off:
        yield Signal(12, f"Price {words(sold.price, sold.currency)} equals the list price{each}")
    elif off >= PRICE_FAR:
        yield Signal(
            -12, f"List price {words(expected, goods.currency)}{each}, sold at {words(sold.price, sold.currency)}"
        )


def order_history(sold: Sold, goods: Goods) -> Iterator[Signal]:
    """Other listings of the same product, or of the same SKU elsewhere, that are this item."""
    for sibling in sorted(goods.siblings, key=lambda each: -each.orders)[:2]:
        alike = stem(sibling.sku) == stem(sold.sku)
        if alike or sibling.same_asin:
            orders = f", {sibling.orders:,} order{'' if sibling.orders == 1 else 's'}" if sibling.orders else ""
            because = "" if alike else f" with the same ASIN {sold.asin}"
            yield Signal(25, f"{sibling.sku}{because} maps here{orders}", proof=True)


SIGNALS: tuple[Callable[[Sold, Goods], Iterator[Signal]], ...] = (
    same_ean,
    same_asin,
    order_history,
    like_code,
    like_title,
    same_pack,
    same_size,
    same_price,
)


def weigh(sold: Sold, goods: Goods) -> list[Signal]:
    """All that speaks for and against, the strongest first."""
    found = [signal for each in SIGNALS for signal in each(sold, goods)]
    return sorted(found, key=lambda signal: -abs(signal.weight))


def _pack(goods: Goods) -> int:
    return goods.pack if goods.pack > 1 else pack_of(goods.title)


def _measures(title: str) -> dict[str, str]:
    """Unit -> figure, of the units that a title names once."""
    found: dict[str, list[str]] = {}
    for figure, unit in MEASURE.findall(title):
        found.setdefault(unit.lower(), []).append(figure.replace(",", "."))
    return {unit: figures[0] for unit, figures in found.items() if len(figures) == 1}
