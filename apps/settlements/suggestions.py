"""An account suggested for a fee that has none, with the reasons for and against it. Never saved unasked."""

import re
from dataclasses import dataclass
from decimal import Decimal
from difflib import SequenceMatcher

from django.db.models import F, Max, Min, QuerySet, Sum

from apps.core.money import words
from apps.ledger.models import Account, TaxClass
from apps.settlements.care import new_name_of
from apps.settlements.models import FeeRule, FeeSignature, RollUp

ALIKE = 0.45  # below this a name says nothing
STRONGLY_ALIKE = 0.7


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """`like` is the name of the mapped fee that it resembles. Both lists of reasons are sentences."""

    account: Account
    tax_class: TaxClass | None
    like: str
    reasons_for: list[str]
    reasons_against: list[str]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """How some fees behave in one currency: lines, which signs, and the least and greatest mean of a day's lines."""

    lines: int
    credits: bool
    debits: bool
    least: Decimal
    greatest: Decimal

    @property
    def sign(self) -> str:
        """In words; empty where both signs occur."""
        return {(True, False): "credits", (False, True): "charges"}.get((self.credits, self.debits), "")


def tokens(name: str) -> list[str]:
    """The words of a name: "FBACustomerReturnPerUnitFee007" gives fba, customer, return, per, unit, fee."""
    return [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def likeness(one: str, other: str) -> float:
    """0 for names without anything in common, 1 for the same words: half by words, half by letters."""
    left, right = tokens(one), tokens(other)
    if not left or not right:
        return 0.0
    shared = 2 * len(set(left) & set(right)) / (len(set(left)) + len(set(right)))
    return (shared + SequenceMatcher(None, " ".join(left), " ".join(right), autojunk=False).ratio()) / 2


def suggest(signature: FeeSignature, currency: str) -> Suggestion | None:
    """The account of the fee that this one seems to be the new name of, or of the one most alike; None where there is none."""
    before = new_name_of(signature)
    if before and before.rule.account.closed_at:
        before = None
    if before:
        rule, alike = before.rule, likeness(signature.amount_description, before.old.amount_description)
    else:
        rule, alike = _closest(signature)
    if rule is None:
        return None
    name = before.old.amount_description if before else rule.amount_description
    mine = _measure(_cells(signature, currency).filter(signature=signature))
    peers = _measure(
        _cells(signature, currency)
        .filter(signature__resolutions__rule__account=rule.account_id)
        .exclude(signature=signature)
    )
    for_: list[str] = []
    against: list[str] = []
    if before:
        for_.append(f"{before.words} It may be the same fee under a new name.")
    if alike >= STRONGLY_ALIKE:
        for_.append(f"Its name is like {name}, which posts to {rule.account}.")
    else:
        against.append(f"Its name is only partly like {name}: check what Amazon says it is.")
    if rule.amount_type and rule.amount_type.lower() == signature.amount_type.lower():
        for_.append(f"Same amount-type, {signature.amount_type}.")
    if mine and peers:
        _compare(mine, peers, rule.account, currency, for_, against)
    if not before:
        against.append("No sign of a renamed fee: none with this money per line stopped when this one began.")
    return Suggestion(
        account=rule.account, tax_class=rule.tax_class, like=name, reasons_for=for_, reasons_against=against
    )


def _closest(signature: FeeSignature) -> tuple[FeeRule | None, float]:
    """The rule whose description is most alike. What it says elsewhere decides only between equals."""
    best: tuple[tuple, FeeRule] | None = None
    rules = FeeRule.objects.in_force().filter(entity=signature.entity_id, treatment__in=["", signature.treatment])
    rules = rules.filter(account__in=Account.objects.postable())
    for rule in rules.exclude(amount_description__in=["", "*"]).select_related("account", "tax_class").order_by("pk"):
        alike = likeness(signature.amount_description, rule.amount_description)
        same_type = rule.amount_type.lower() == signature.amount_type.lower()
        same_transaction = rule.transaction_type.lower() == signature.transaction_type.lower()
        order = (alike + 0.2 * same_type + 0.1 * same_transaction, alike)
        if alike >= ALIKE and (best is None or order > best[0]):
            best = (order, rule)
    return (best[1], best[0][1]) if best else (None, 0.0)


def _cells(signature: FeeSignature, currency: str) -> QuerySet[RollUp]:
    return RollUp.objects.taken().filter(signature__entity=signature.entity_id, version__settlement__currency=currency)


def _measure(cells: QuerySet[RollUp]) -> Measured | None:
    mean = (F("credit") + F("debit")) / F("lines")
    found = cells.aggregate(
        n=Sum("lines"), credits=Sum("credit"), debits=Sum("debit"), least=Min(mean), greatest=Max(mean)
    )
    if not found["n"]:
        return None
    return Measured(
        lines=found["n"],
        credits=found["credits"] > 0,
        debits=found["debits"] > 0,
        least=found["least"],
        greatest=found["greatest"],
    )


def _compare(
    mine: Measured, peers: Measured, account: Account, currency: str, for_: list[str], against: list[str]
) -> None:
    if mine.sign and mine.sign == peers.sign:
        for_.append(f"All its {mine.lines:,} lines are {mine.sign}, as on every fee mapped to {account.code}.")
    elif mine.sign and peers.sign:
        against.append(f"Its lines are {mine.sign}; those mapped to {account.code} are {peers.sign}.")
    inside = peers.least <= mine.least and mine.greatest <= peers.greatest
    sizes = (
        f"{words(mine.least, currency)} to {words(mine.greatest, currency)} a line (means of days); "
        f"{account.code} runs {words(peers.least, currency)} to {words(peers.greatest, currency)}."
    )
    (for_ if inside else against).append(sizes)
