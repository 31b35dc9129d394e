"""Decimal amounts and their currency: exponent, rounding, words. Never a float (architecture.md section 7)."""

from decimal import ROUND_HALF_UP, Decimal

EXPONENTS = {"JPY": 0, "KRW": 0, "CLP": 0, "VND": 0, "ISK": 0, "BHD": 3, "KWD": 3, "JOD": 3, "OMR": 3, "TND": 3}
SIGNS = {"GBP": "£", "EUR": "€", "USD": "$", "JPY": "¥", "AUD": "A$", "CAD": "C$", "SEK": "kr ", "PLN": "zł "}
ZERO = Decimal(0)
MINUS = "\N{MINUS SIGN}"


def exponent(currency: str) -> int:
    """Decimals of the currency's smallest unit (ISO 4217): 2 for most, 0 for JPY."""
    return EXPONENTS.get(currency, 2)


def round_half_up(amount: Decimal, currency: str) -> Decimal:
    """The amount at its currency's smallest unit, half away from zero."""
    return amount.quantize(Decimal(1).scaleb(-exponent(currency)), ROUND_HALF_UP)


def plain(amount: Decimal, currency: str) -> str:
    """As programs read it: "-660.22", "1200" for JPY."""
    return f"{round_half_up(amount, currency):f}"


def words(amount: Decimal, currency: str) -> str:
    """As people read it: "−£660.22", always with all decimals; a currency without a sign leads with its code."""
    figure = f"{abs(round_half_up(amount, currency)):,f}"
    return f"{MINUS if amount < 0 else ''}{sign(currency)}{figure}"


def sign(currency: str) -> str:
    """What leads a figure; a currency without a sign leads with its code."""
    return SIGNS.get(currency, currency + " ")
