"""Which of the ERP's places are Amazon's. Pure."""

import re

COUNTRIES = {
    "A1F83G8C2ARO7P": ("GB", "UK"), "A1PA6795UKMFR9": ("DE",), "A13V1IB3VIYZZH": ("FR",), "APJ6JRA9NG5V4": ("IT",),
    "A1RKKUPIHCS9HS": ("ES",), "A1805IZSGTT6HS": ("NL",), "AMEN7PMS3EDWL": ("BE",), "A2NODRKZP88ZB9": ("SE",),
    "A1C3SOZRARQ6R3": ("PL",), "A28R8C7NBKEWEA": ("IE",), "A33AVAJ2PDY3EV": ("TR",), "ATVPDKIKX0DER": ("US",),
    "A2EUQ1WTGCTBG2": ("CA",), "A1AM78C64UM0Y8": ("MX",), "A2Q3Y263D00KWC": ("BR",), "A1VC38T7YXB528": ("JP",),
    "A39IBJ37TRP1C6": ("AU",), "A21TJRUUN4KGV": ("IN",), "A19VAU5U5O7RUS": ("SG",), "A2VIGQ35RCS4UG": ("AE",),
    "A17E79C6D8DWNP": ("SA",), "ARBP9OOSHTCHU": ("EG",),
    "AE08WJ6YKNBMC": ("ZA",),
}  # fmt: skip
AMAZONS = {"FBA", "AFN", "AMAZON", "AMZ", "AMZN"}


def marketplace_of(node: str) -> str:
    """Amazon's id of the marketplace whose stock a place holds: FBA-UK, Amazon.de, or the id itself. Empty: our own place."""
    if node.strip() in COUNTRIES:
        return node.strip()
    words = set(re.split(r"[^A-Z]+", node.upper()))
    if not words & AMAZONS:
        return ""
    return next((marketplace for marketplace, names in COUNTRIES.items() if words & set(names)), "")
