"""A listing as Amazon's searchListingsItems says it, pure (amazon-api.md 2; listingsItems 2021-08-01)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

SKU_LENGTH, ASIN_LENGTH, FNSKU_LENGTH, TITLE_LENGTH, PICTURE_LENGTH = 120, 10, 20, 500, 500
EAN_LENGTHS = (8, 12, 13, 14)


class Odd(ValueError):
    """A record that cannot be read. Its words name the field and what was expected."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A listing of one marketplace. What Amazon did not say is empty."""

    marketplace: str
    sku: str
    channel: str = ""
    asin: str = ""
    fnsku: str = ""
    ean: str = ""
    title: str = ""
    picture: str = ""


def read(data: Any) -> Seen:
    """A listings item, to which the connector adds the `marketplace` that it asked about. Raises Odd."""
    if not isinstance(data, dict):
        raise Odd(f"Expected a listings item, and this is {type(data).__name__}.")
    marketplace = _text(data, "marketplace", 20, needed=True)
    summary = _of(marketplace, data, "summaries")
    image = summary.get("mainImage")
    picture = _text(image, "link", None) if isinstance(image, dict) else ""
    return Seen(
        marketplace=marketplace,
        sku=_text(data, "sku", SKU_LENGTH, needed=True),
        channel=channel_of(_codes(data)),
        asin=_text(summary, "asin", ASIN_LENGTH),
        fnsku=_text(summary, "fnSku", FNSKU_LENGTH),
        ean=_ean(data, marketplace),
        title=_text(summary, "itemName", None)[:TITLE_LENGTH],
        picture=picture if picture.startswith("https://") and len(picture) <= PICTURE_LENGTH else "",
    )


def channel_of(codes: Iterable[str]) -> str:
    """AFN where Amazon alone fulfils, MFN where the merchant alone does; empty where it is both, nobody or another."""
    said = {_channel(code) for code in codes}
    return said.pop() if len(said) == 1 else ""


def _channel(code: str) -> str:
    """AMAZON_EU, AMAZON_NA and so on are Amazon's own networks."""
    if code.startswith("AMAZON_"):
        return "AFN"
    return "MFN" if code == "DEFAULT" else ""


def _codes(data: dict) -> list[str]:
    found = [each for each in _list(data, "fulfillmentAvailability") if isinstance(each, dict)]
    return [_text(each, "fulfillmentChannelCode", None, needed=True) for each in found]


def _of(marketplace: str, data: dict, name: str) -> dict:
    """The entry of a list by marketplaces that is about this one."""
    for each in _list(data, name):
        if isinstance(each, dict) and each.get("marketplaceId") == marketplace:
            return each
    return {}


def _ean(data: dict, marketplace: str) -> str:
    """The first EAN, UPC or GTIN among the product's identifiers that is one."""
    attributes = data.get("attributes") or {}
    if not isinstance(attributes, dict):
        raise Odd(f"attributes: expected an object, and this is {type(attributes).__name__}.")
    for each in _list(attributes, "externally_assigned_product_identifier"):
        if isinstance(each, dict) and each.get("marketplace_id", marketplace) == marketplace:
            value = _text(each, "value", None)
            if value.isascii() and value.isdigit() and len(value) in EAN_LENGTHS:
                return value
    return ""


def _list(data: dict, name: str) -> list:
    value = data.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Odd(f"{name}: expected a list, and this is {type(value).__name__}.")
    return value


def _text(data: dict, name: str, most: int | None, *, needed: bool = False) -> str:
    """Text that the database can hold; where it is not there, empty. `most` characters where longer ones are no such thing."""
    value = data.get(name)
    if value is None or value == "":
        if needed:
            raise Odd(f"{name}: expected a text, and there is none.")
        return ""
    if not isinstance(value, str):
        raise Odd(f"{name}: expected a text, and this is {type(value).__name__}.")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise Odd(f"{name}: it holds a character that is none.")
    if most and len(value) > most:
        raise Odd(f"{name}: expected at most {most} characters, and these are {len(value)}.")
    return value
