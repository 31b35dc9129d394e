"""Which fields of an order's record are about a person, and what others see in their place. Pure.

People with the permission `READ_BUYERS` (operations and admins) see what is kept; everybody else sees it masked.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

HIDDEN = "hidden from your role"
NOT_KEPT = "(personal, not kept)"


class Kind(StrEnum):
    NAME = "name"
    CONTACT = "contact"
    ADDRESS = "address"
    OTHER = "other"
    """What the buyer wrote, wants or pays with. Never kept."""


ADDRESS = "recipient.deliveryAddress"

PERSONAL: Mapping[str, Kind] = {
    "buyer.buyerName": Kind.NAME,
    "buyer.buyerEmail": Kind.CONTACT,
    "buyer.buyerCompanyName": Kind.NAME,
    "buyer.buyerPurchaseOrderNumber": Kind.OTHER,
    f"{ADDRESS}.name": Kind.NAME,
    f"{ADDRESS}.companyName": Kind.ADDRESS,
    f"{ADDRESS}.addressLine1": Kind.ADDRESS,
    f"{ADDRESS}.addressLine2": Kind.ADDRESS,
    f"{ADDRESS}.addressLine3": Kind.ADDRESS,
    f"{ADDRESS}.city": Kind.ADDRESS,
    f"{ADDRESS}.districtOrCounty": Kind.ADDRESS,
    f"{ADDRESS}.stateOrRegion": Kind.ADDRESS,
    f"{ADDRESS}.municipality": Kind.ADDRESS,
    f"{ADDRESS}.postalCode": Kind.ADDRESS,
    f"{ADDRESS}.countryCode": Kind.ADDRESS,
    f"{ADDRESS}.phone": Kind.CONTACT,
    f"{ADDRESS}.extendedFields": Kind.OTHER,
    f"{ADDRESS}.addressType": Kind.OTHER,
    "recipient.deliveryPreference": Kind.OTHER,
    "tax": Kind.OTHER,
    "payment": Kind.OTHER,
    "orderItems.cancellation": Kind.OTHER,
    "orderItems.fulfillment.packing": Kind.OTHER,
    "orderItems.fulfillment.shipping": Kind.OTHER,
    "orderItems.product.customization": Kind.OTHER,
    "orderItems.product.serialNumbers": Kind.OTHER,
    "packages.shipFromAddress": Kind.OTHER,
}
"""Dotted path of the record of Orders 2026-01-01, through lists, to what it is about. A path takes in all below it."""

# The fields at the top that a record may keep where it cannot be read, less what PERSONAL names below them; others go.
IMPERSONAL = frozenset(
    (
        "orderId", "orderAliases", "createdTime", "lastUpdatedTime", "programs", "associatedOrders", "salesChannel",
        "proceeds", "fulfillment", "orderItems", "packages",
    )
)  # fmt: skip


def without_personal(record: Any) -> Any:
    """The record as it may be kept for somebody to look into: what is personal is replaced, its field names stay."""
    if not isinstance(record, dict):
        return NOT_KEPT
    return {
        name: _stripped(value, (name,)) if name in IMPERSONAL else NOT_KEPT for name, value in sorted(record.items())
    }


def _stripped(value: Any, path: tuple[str, ...]) -> Any:
    if ".".join(path) in PERSONAL:
        return NOT_KEPT
    if isinstance(value, dict):
        return {name: _stripped(below, (*path, name)) for name, below in value.items()}
    if isinstance(value, list):
        return [_stripped(below, path) for below in value]
    return value


def initials(name: str) -> str:
    """ "Anna Maria Smith" as "A. M. S."."""
    return " ".join(f"{part[0]}." for part in name.split())


def area(address: Mapping[str, str]) -> str:
    """The first part of a postcode and the country: "LS1 ***, GB". A postcode in one piece shows two characters."""
    code = address.get("postalCode", "").split()
    first = code[0] if len(code) > 1 else "".join(code)[:2]
    return ", ".join(part for part in (f"{first} ***" if first else "", address.get("countryCode", "")) if part)
