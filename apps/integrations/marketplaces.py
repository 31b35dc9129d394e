"""Amazon's marketplaces by their ids (amazon-api.md section 1.1)."""

NAMES = {
    "A1F83G8C2ARO7P": "United Kingdom",
    "A1PA6795UKMFR9": "Germany",
    "A13V1IB3VIYZZH": "France",
    "APJ6JRA9NG5V4": "Italy",
    "A1RKKUPIHCS9HS": "Spain",
    "A1805IZSGTT6HS": "Netherlands",
    "AMEN7PMS3EDWL": "Belgium",
    "A28R8C7NBKEWEA": "Ireland",
    "A2NODRKZP88ZB9": "Sweden",
    "A1C3SOZRARQ6R3": "Poland",
    "A33AVAJ2PDY3EV": "Turkey",
    "A2VIGQ35RCS4UG": "United Arab Emirates",
    "A17E79C6D8DWNP": "Saudi Arabia",
    "ARBP9OOSHTCHU": "Egypt",
    "AE08WJ6YKNBMC": "South Africa",
    "A21TJRUUN4KGV": "India",
    "ATVPDKIKX0DER": "United States",
    "A2EUQ1WTGCTBG2": "Canada",
    "A1AM78C64UM0Y8": "Mexico",
    "A2Q3Y263D00KWC": "Brazil",
    "A1VC38T7YXB528": "Japan",
    "A39IBJ37TRP1C6": "Australia",
    "A19VAU5U5O7RUS": "Singapore",
}


def name_of(marketplace: str) -> str:
    """Its name; an id that we do not know is its own name."""
    return NAMES.get(marketplace, marketplace)
