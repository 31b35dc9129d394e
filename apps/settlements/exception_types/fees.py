"""A fee that no rule gives an account: its lines stand on "No account", and the payout's journals are incomplete."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby

from django.db.models import F, Max, Min, Sum

from apps.core.money import ZERO, plain
from apps.core.permissions import Team
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import ExceptionType, Finding, Runbook, Scope, register
from apps.settlements.exception_types.map_fee import MAP_FEE
from apps.settlements.models import RollUp
from apps.settlements.rules import FIELDS

CELLS_AT_ONCE = 5000


def unmapped_fees(scope: Scope) -> Iterator[Finding]:
    """One finding for each signature that taken versions use on days without a rule; weighed by roll-ups alone."""
    cells = RollUp.objects.taken().unmapped().filter(signature__entity=scope.entity)
    if scope.subjects is not None:
        cells = cells.filter(signature__key__in=scope.subjects)
    rows = (
        cells.values(
            "signature_id",
            key=F("signature__key"),
            settlement=F("version__settlement__settlement_id"),
            currency=F("version__settlement__currency"),
            payout=F("version__total"),
            start=F("version__settlement__start_at"),
            end=F("version__settlement__end_at"),
            **{field: F(f"signature__{field}") for field in FIELDS},
        )
        .annotate(n=Sum("lines"), credits=Sum("credit"), debits=Sum("debit"), first=Min("day"), last=Max("day"))
        .order_by("signature_id", "end", "settlement")
    )
    for _, used in groupby(rows.iterator(chunk_size=CELLS_AT_ONCE), key=lambda row: row["signature_id"]):
        yield _finding(list(used))


def _finding(used: list[dict]) -> Finding:
    """From the settlements that use one signature. The stake is every amount without sign, in the largest currency."""
    gross: dict[str, Decimal] = {}
    net: dict[str, Decimal] = {}
    blocked: dict[str, Decimal] = {}
    for row in used:
        net[row["currency"]] = net.get(row["currency"], ZERO) + row["credits"] - row["debits"]
        gross[row["currency"]] = gross.get(row["currency"], ZERO) + row["credits"] + row["debits"]
        blocked[row["currency"]] = blocked.get(row["currency"], ZERO) + max(row["payout"], ZERO)
    currency = max(sorted(gross), key=gross.__getitem__)
    return Finding(
        subject=used[0]["key"],
        currency=currency,
        stake=gross[currency],
        lines=sum(row["n"] for row in used),
        facts={
            "signature_id": used[0]["signature_id"],
            **{field: used[0][field] for field in FIELDS},
            "sign": _sign(any(row["credits"] for row in used), any(row["debits"] for row in used)),
            "first": min(row["first"] for row in used).isoformat(),
            "last": max(row["last"] for row in used).isoformat(),
            "amounts": {code: plain(amount, code) for code, amount in net.items()},
            "blocked": {code: plain(amount, code) for code, amount in blocked.items()},
            "settlements": [
                {
                    "settlement_id": row["settlement"],
                    "currency": row["currency"],
                    "lines": row["n"],
                    "amount": plain(row["credits"] - row["debits"], row["currency"]),
                    "payout": plain(row["payout"], row["currency"]),
                    "start": row["start"].date().isoformat(),
                    "end": row["end"].date().isoformat(),
                }
                for row in used
            ],
        },
    )


def _sign(credits: bool, debits: bool) -> str:
    return {(True, False): "credit", (False, True): "charge", (False, False): "zero"}.get((credits, debits), "mixed")


CALLED = {"credit": "A credit", "charge": "A charge", "mixed": "An amount", "zero": "An amount"}


# Amount types that say nothing of a fee: its description is its name. Elsewhere the type is ("FBA Storage Fee / Base fee").
UNTELLING = ("itemfees", "itemprice", "itemwithheldtax", "promotion", "other-transaction", "")


def _headline(case: Case) -> str:
    facts = case.facts
    kind, description = facts["amount_type"], facts["amount_description"] or facts["transaction_type"]
    name = description if kind.lower() in (*UNTELLING, description.lower()) else f"{kind} / {description}"
    where = f" at {facts['marketplace']}" if facts["marketplace"] else ""
    first = date.fromisoformat(facts["first"])
    return f"{CALLED[facts['sign']]}{where} called {name} has no ledger account since {first.day} {first:%B}"


FEE_UNMAPPED = register(ExceptionType(
    code="settlement.fee-unmapped",
    title="Settlement fee has no ledger account",
    team=Team.FINANCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=True,
    floor=Decimal(50),
    respond_within=timedelta(days=2),
    detect=unmapped_fees,
    headline=_headline,
    panel="cases/fee.html",
    actions=(MAP_FEE,),
    runbook=Runbook(
        impact="Until this fee has an account, the journals of every payout that contains it are incomplete.",
        steps=(
            "Open two raw lines. Check the sign, and what the order or shipment was.",
            "Look for a fee that stopped when this one began. If there is one, use its account.",
            "Choose account and tax, read the preview, save.",
            "Where its drafts are still stopped, the preview names the fee that stops them: map that one next.",
        ),
        prevention="The weekly mapping review sees new fees the day they arrive.",
        escalate="To the tax adviser if the fee crosses a border or Amazon's tax invoice shows another rate.",
    ),
))  # fmt: skip
