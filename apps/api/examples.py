"""What a value looks like, by the name of its field or parameter, for who reads the documents."""

from typing import Any

PERSON, COMPANY = {"id": 3, "name": "Marta Lis"}, {"id": 1, "name": "Brackenfold Home Ltd"}
DIGEST = "9f2c61d0b7a4e835c1f06d92b8e47a53de10f6c29b84a7350c6de1f2a9b38475"
MORNING, NOON, EVENING = "2026-11-13T08:15:00Z", "2026-11-13T12:00:00Z", "2026-11-13T17:00:00Z"

ACTIONS = {  # the one that an address of this kind of record names
    "batches": "void",
    "cases": "map-fee",
    "chains": "confirm",
    "fee-rules": "change",
    "imports": "apply",
    "listings": "map",
    "routines": "sign",
    "stock": "set",
}
EXAMPLES: dict[str, Any] = {
    # requests
    "Idempotency-Key": "5f0b7c1e-6a0e-4c0f-9d53-2f1c8a8e7b11",
    "limit": 50,
    "data": {"reason": "Agreed with Marta"},
    "digest": DIGEST,
    "until": "2026-11-16",
    "reason": "Agreed with Marta",
    "text": "Amazon's support answers by Friday.",
    "to": 3,
    "month": "2026-10",
    "changed_since": MORNING,
    "mapped": False,
    "q": "tray oak",
    "least": "500.00",
    "keep_conflicts": False,
    # whose and when
    "id": 12,
    "name": "Marta Lis",
    "entity": COMPANY,
    "connection": {"id": 2, "name": "amazon.co.uk"},
    **dict.fromkeys(("actor", "asked"), "Marta Lis"),
    **dict.fromkeys(("assigned_to", "claimed_by", "approved_by", "made_by", "applied_by", "asked_by"), PERSON),
    **dict.fromkeys(("at", "opened_at", "made_at", "taken_at", "built_at", "received_at", "purchased_at", "started_at"), MORNING),
    **dict.fromkeys(("changed_at", "approved_at", "applied_at", "proven_at", "newest_at", "released_at", "first_seen"), NOON),
    **dict.fromkeys(("due_at", "ship_by", "claimed_until", "end_at", "deposit_at", "first_seen_at", "created_at"), EVENING),
    "start_at": "2026-10-30T00:00:00Z",
    "hour": "09:00",
    # companies
    "country": "GB",
    "zone": "Europe/London",
    **dict.fromkeys(("currency", "base_currency"), "GBP"),
    "roles": ["finance"],
    # money
    **dict.fromkeys(("total", "sum", "lines_sum", "clearing", "other_accounts"), "7345.20"),
    **dict.fromkeys(("carried_forward", "difference", "credit"), "0.00"),
    **dict.fromkeys(("stake", "debit"), "1293.68"),
    "price": "24.99",
    # cases and actions
    "type": "settlement.fee-unmapped",
    "title": "Settlement fee has no ledger account",
    "headline": "A new fee, FBA New Return Fee, has no account",
    "label": "Map the fee",
    "effect": "Map the fee and rebuild 6 journals",
    "says": "418 lines post to 5110, and 6 journals are complete.",
    "words": "Mapped. 418 lines now post to 5110.",
    "facts": {"lines": 418, "settlement_id": "30000000001"},
    "form": {"type": "object", "properties": {"reason": {"type": "string", "title": "Reason"}}, "required": ["reason"]},
    "resolved": [12],
    "journals": [12],
    "opened": [],
    "verb": "case.claimed",
    "before": {"state": "open"},
    "after": {"state": "claimed"},
    # bulk actions and second persons
    "action": "claim",
    "chosen": "All open, of Finance",
    "filter": {"team": "finance", "due": "week"},
    "cases": [12, 13],
    "entities": [1],
    "verdict": "done",
    "why": "Marta Lis is on this until 14:30. Nothing was changed.",
    "over": "418 lines are more than the 200 that one person may change alone.",
    "about": "A new fee, FBA New Return Fee, has no account",
    # money's records
    "settlement_id": "30000000001",
    "period": "2026-10",
    "dated": "2026-10-31",
    "key": "stl:30000000001:202610:1",
    "code": "5110",
    "account": "5110",
    "tax_code": "Input VAT 20 %",
    "transaction_type": "Order",
    "amount_type": "ItemFees",
    "amount_description": "FBANewReturnFee",
    "sha256": DIGEST,
    # orders and listings
    "order_id": "202-1234567-0000001",
    "marketplace": "A1F83G8C2ARO7P",
    "sku": "BF-OAKTRAY",
    "asin": "B0OAKTRAY1",
    "since": "2026-11-01",
    "quantity": 1,
    "holds": ["sku"],
    "address": ["12 Mill Lane", "Leeds", "LS1 4DY", "GB"],
    # imports and runs
    "sheet": "items",
    "file": "items.csv",
    "cells": ["BF-1", "Mug"],
    "faults": ["Expected an EAN of 13 digits."],
    "changes": {"title": ["Mug", "Mug, blue"]},
    "feed": "amazon.orders",
    "every": 900,
    # errors
    "status": 422,
    "detail": "Say why, for whoever reads this later.",
    "fields": {"reason": ["Say why, for whoever reads this later."]},
}


WHOLE: dict[str, dict[str, Any]] = {  # by the name of the component
    "RecordIn": {
        "id": "run-8841-1",
        "status": "failed",
        "at": MORNING,
        "flow": "orders → ERP",
        "about": "order 203-2816634-1180329",
        "code": "ITEM_MISSING",
        "text": "Item BF-OAKTRAY not found",
        "link": "https://platform.example/runs/8841",
        "amount": "24.99",
        "currency": "GBP",
    },
    "TakenOut": {"id": "run-8841-1", "outcome": "new"},
}


def fits(name: str, field: dict[str, Any]) -> bool:
    """Whether the example is of the field's kind: one name stands for several in different records."""
    kinds = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
    kind = kinds.get(field.get("type", "object"), object)
    example = EXAMPLES.get(name)
    if name not in EXAMPLES or "example" in field or not isinstance(example, kind):
        return False
    if field.get("format") in ("date", "date-time"):
        return ("T" in example) == (field["format"] == "date-time")
    return "enum" not in field or example in field["enum"]
