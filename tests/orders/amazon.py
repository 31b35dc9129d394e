"""Records of Orders 2026-01-01 in Amazon's shape, with made-up buyers."""

from typing import Any

from apps.integrations.contract import Page, Record

BUYER = "Anna Maria Smith"
PRIVATE = (BUYER, "buyer-7@marketplace.example", "+44 113 496 0000", "12 Mill Lane", "LS1 4DY", "Happy birthday, Bea")


def money(amount: str, currency: str = "GBP") -> dict[str, str]:
    return {"amount": amount, "currencyCode": currency}


def line(sku: str = "LAMP-UK", number: int = 1, *, quantity: Any = 1, shipped: int = 0, price: str = "24.99") -> dict:
    return {
        "orderItemId": f"2021234567{number:04d}",
        "quantityOrdered": quantity,
        "product": {
            "asin": "B0LAMP0001",
            "title": "Desk lamp",
            "sellerSku": sku,
            "price": {"unitPrice": money(price)},
            "customization": {"customizedUrl": "https://example.com/signed?token=1"},
        },
        "fulfillment": {
            "quantityFulfilled": shipped,
            "quantityUnfulfilled": 0,
            "packing": {"giftOption": {"giftMessage": "Happy birthday, Bea"}},
        },
    }


def record(number: int = 1, *lines: dict, status: str = "UNSHIPPED", by: str | None = "MERCHANT", **values) -> dict:
    """One order. `by` None leaves fulfilledBy out; `values` replace whole fields of the record."""
    fulfilled = {} if by is None else {"fulfilledBy": by}
    return {
        "orderId": f"202-1234567-{number:07d}",
        "createdTime": "2026-11-20T10:00:00Z",
        "lastUpdatedTime": "2026-11-20T10:05:00Z",
        "programs": ["PRIME"],
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": "A1F83G8C2ARO7P", "marketplaceName": "Amazon.co.uk"},
        "buyer": {"buyerName": BUYER, "buyerEmail": "buyer-7@marketplace.example"},
        "recipient": {
            "deliveryAddress": {
                "name": BUYER,
                "addressLine1": "12 Mill Lane",
                "city": "Leeds",
                "postalCode": "LS1 4DY",
                "countryCode": "GB",
                "phone": "+44 113 496 0000",
            }
        },
        "proceeds": {"grandTotal": money("24.99")},
        "fulfillment": {
            "fulfillmentStatus": status,
            "shipByWindow": {
                "earliestDateTime": "2026-11-21T00:00:00Z",
                "latestDateTime": "2026-11-23T23:59:59Z",
            },
            **fulfilled,
        },
        "orderItems": list(lines) or [line()],
    } | values


def page(*records: Any) -> Page:
    keys = [data.get("orderId", "") if isinstance(data, dict) else "" for data in records]
    return Page(
        records=[Record.of(str(key) or f"#{n}", data) for n, (key, data) in enumerate(zip(keys, records, strict=True))],
        cursor={},
    )
