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

# The names of fields that a record may keep where it cannot be read, less what PERSONAL says of their paths. A field with
# another name goes with all below it, also where Amazon adds it later.
IMPERSONAL = frozenset(
    (
        "orderId", "orderAliases", "aliasId", "aliasType", "createdTime", "lastUpdatedTime", "programs", "associatedOrders",
        "associationType",
        "salesChannel", "channelName", "marketplaceId", "marketplaceName",
        "proceeds", "grandTotal", "proceedsTotal", "amount", "currencyCode", "breakdowns", "type", "subtotal",
        "detailedBreakdowns", "subtype", "value",
        "fulfillment", "fulfillmentStatus", "fulfilledBy", "fulfillmentServiceLevel", "shipByWindow", "deliverByWindow",
        "earliestDateTime", "latestDateTime",
        "orderItems", "orderItemId", "quantityOrdered", "quantityFulfilled", "quantityUnfulfilled", "measurement", "unit",
        "associatedOrderItems",
        "product", "asin", "title", "sellerSku", "condition", "conditionType", "conditionSubtype", "price", "unitPrice",
        "priceDesignation", "promotion", "promotionId",
        "packages", "packageReferenceId", "packageStatus", "status", "detailedStatus", "carrier", "shipTime", "shippingService",
        "packageItems", "quantity",
    )
)  # fmt: skip


def without_personal(record: Any) -> Any:
    """The record as it may be kept for somebody to look into: what is personal is replaced, its field names stay."""
    if not isinstance(record, dict):
        return NOT_KEPT
    return _stripped(record, ())


def _stripped(value: Any, path: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        below = {name: (*path, name) for name in sorted(value)}
        return {name: _stripped(value[name], at) if _may_keep(at) else NOT_KEPT for name, at in below.items()}
    if isinstance(value, list):
        return [_stripped(below, path) for below in value]
    return value


def _may_keep(path: tuple[str, ...]) -> bool:
    return path[-1] in IMPERSONAL and ".".join(path) not in PERSONAL


def initials(name: str) -> str:
    """ "Anna Maria Smith" as "A. M. S."."""
    return " ".join(f"{part[0]}." for part in name.split())


def area(address: Mapping[str, str]) -> str:
    """The first part of a postcode and the country: "LS1 ***, GB". A postcode in one piece shows two characters."""
    code = address.get("postalCode", "").split()
    first = code[0] if len(code) > 1 else "".join(code)[:2]
    return ", ".join(part for part in (f"{first} ***" if first else "", address.get("countryCode", "")) if part)
