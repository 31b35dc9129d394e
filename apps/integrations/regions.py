"""Where Amazon answers, and for which marketplaces: its own addresses, and in the demo those of the stand-in."""

from dataclasses import dataclass

from django.conf import settings

from apps.integrations.marketplaces import NAMES

SANDBOX = "sandbox"
TOKEN_URL = "https://api.amazon.com/auth/o2/token"

AMERICAS = ("ATVPDKIKX0DER", "A2EUQ1WTGCTBG2", "A1AM78C64UM0Y8", "A2Q3Y263D00KWC")
FAR_EAST = ("A1VC38T7YXB528", "A39IBJ37TRP1C6", "A19VAU5U5O7RUS")
EUROPE = tuple(marketplace for marketplace in NAMES if marketplace not in (*AMERICAS, *FAR_EAST))
OF_SANDBOX = ("A1F83G8C2ARO7P", "A1PA6795UKMFR9")


@dataclass(frozen=True, kw_only=True)
class Region:
    """`marketplaces` are the ids of those that answer here."""

    title: str
    endpoint: str
    token_url: str
    marketplaces: tuple[str, ...]


AMAZON = {
    code: Region(
        title=title,
        endpoint=f"https://sellingpartnerapi-{code.lower()}.amazon.com",
        token_url=TOKEN_URL,
        marketplaces=marketplaces,
    )
    for code, title, marketplaces in (
        ("EU", "Europe, Middle East, Africa, India", EUROPE),
        ("NA", "North and South America", AMERICAS),
        ("FE", "Far East and Australia", FAR_EAST),
    )
}


def regions() -> dict[str, Region]:
    """{code: region}. The stand-in is one where settings name it."""
    if not settings.SANDBOX_URL:
        return AMAZON
    sandbox = Region(
        title="The demo's stand-in for Amazon",
        endpoint=settings.SANDBOX_URL,
        token_url=f"{settings.SANDBOX_URL}/auth/o2/token",
        marketplaces=OF_SANDBOX,
    )
    return {SANDBOX: sandbox, **AMAZON}


def regions_at(endpoint: str) -> tuple[Region, ...]:
    """Those that answer at this address: one, or Amazon's, where nobody knows the address."""
    return tuple(region for region in regions().values() if region.endpoint == endpoint) or tuple(AMAZON.values())
