"""The action that gives a fee an account: its form, what it would do, doing it."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.db.models import Min

from apps.core.models import User
from apps.core.permissions import MAP_FEES
from apps.exceptions.forms import refusal_beside_its_field
from apps.exceptions.models import Case
from apps.exceptions.types import Action, Plan, digest
from apps.ledger.models import Account, TaxClass
from apps.ledger.rules import Portion
from apps.settlements import causes, journals, operations
from apps.settlements.comparison import Comparison, sums
from apps.settlements.facts import read
from apps.settlements.models import FeeSignature, RollUp, Treatment
from apps.settlements.plans import compare, days_of
from apps.settlements.resolutions import as_rule, matched_by, rules_of, settle
from apps.settlements.rules import (
    Rule,
    Signature,
    Span,
    exactness,
    family,
    free_text,
    matches,
    resolve_spans,
)
from apps.settlements.suggestions import suggest

NO_TAX = "none"
HERE, EVERYWHERE = "here", "everywhere"
EXACT, FAMILY = "exact", "family"


def signature_of(case: Case) -> FeeSignature:
    return FeeSignature.objects.get(entity=case.entity_id, key=case.subject)


def first_day(signature: FeeSignature) -> date | None:
    """The day of the first line that waits for an account."""
    cells = RollUp.objects.taken().unmapped().filter(signature=signature)
    return cells.aggregate(first=Min("day"))["first"]


class MapFeeForm(forms.Form):
    account = forms.ModelChoiceField(Account.objects.none(), label="Ledger account", empty_label="Choose an account")
    tax = forms.ChoiceField(label="Tax inside the amount")
    where = forms.ChoiceField(label="Where it applies")
    match = forms.ChoiceField(label="Which amount-description")
    since = forms.DateField(label="From", widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"))
    reason = forms.CharField(label="Reason, for the audit trail", max_length=240)

    def __init__(self, case: Case, actor: User, data: Any = None):
        self.case = case
        self.signature = signature_of(case)
        self.free_text = free_text(Signature.of(self.signature))
        self.family = self.free_text or family(self.signature.amount_description)
        self.first = first_day(self.signature)
        super().__init__(data, initial=self._initial() if data is None else None)
        self.fields["account"].queryset = Account.objects.postable().filter(entity=case.entity_id)
        self.fields["tax"].choices = [("", "Choose the tax"), (NO_TAX, "No tax on it"), *self._classes()]
        self.fields["tax"].help_text = "A class of fees is taxed by day and by leg."
        self.fields["where"].choices = [(EVERYWHERE, "All marketplaces"), *self._here()]
        self.fields["match"].choices = [*self._exact(), *self._family()]
        if self.first:
            self.fields["since"].help_text = f"First line: {self.first.day} {self.first:%b %Y}"

    def _classes(self) -> list[tuple[int, str]]:
        return [(each.pk, str(each)) for each in TaxClass.objects.filter(entity=self.case.entity_id)]

    def _here(self) -> list[tuple[str, str]]:
        return [(HERE, f"Only {self.signature.marketplace}")] if self.signature.marketplace else []

    def _exact(self) -> list[tuple[str, str]]:
        """An empty pattern matches anything, so a fee without a description cannot be mapped alone."""
        name = self.signature.amount_description
        return [(EXACT, f"Only {name}" if name else "Any: this one has none")]

    def _family(self) -> list[tuple[str, str]]:
        if not self.family:
            return []
        return [(FAMILY, "Any: it is free text" if self.family == "*" else f"All that begin like {self.family}")]

    def _initial(self) -> dict[str, Any]:
        initial = {"where": EVERYWHERE, "match": FAMILY if self.free_text else EXACT, "since": self.first}
        if found := suggest(self.signature, self.case.currency):
            initial |= {
                "account": found.account.pk,
                "tax": found.tax_class.pk if found.tax_class else NO_TAX,
                "reason": f"As suggested: like {found.like}",
            }
        return initial

    def clean_tax(self) -> TaxClass | None:
        """None is a person's choice, "No tax on it"; not choosing is a fault."""
        chosen = self.cleaned_data["tax"]
        return None if chosen == NO_TAX else TaxClass.objects.get(pk=chosen, entity=self.case.entity_id)

    def clean(self) -> dict[str, Any]:
        """Add the pattern of the rule, and check that such a rule can be saved."""
        cleaned = super().clean()
        if not self.errors:
            cleaned["pattern"] = {
                "marketplace": self.signature.marketplace if cleaned["where"] == HERE else "",
                "transaction_type": self.signature.transaction_type,
                "amount_type": self.signature.amount_type,
                "amount_description": self.family if cleaned["match"] == FAMILY else self.signature.amount_description,
                "treatment": "" if self.signature.treatment == Treatment.NONE else self.signature.treatment,
            }
            cleaned["entity"] = self.case.entity
            with refusal_beside_its_field():
                operations.new_rule(**rule_fields(cleaned), actor=None, rules=rules_of(self.case.entity))
        return cleaned


def rule_fields(cleaned: dict[str, Any]) -> dict[str, Any]:
    fields = {name: cleaned[name] for name in ("entity", "pattern", "since", "account", "reason")}
    return fields | {"tax_class": cleaned["tax"]}


@dataclass(frozen=True, kw_only=True)
class MapFeePlan:
    """What the preview shows."""

    comparison: Comparison
    rule: str
    cases: int
    overlaps: list[str]
    warnings: list[str]


def preview(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
    """Recompute the drafts concerned as the new rule would map them."""
    entity = case.entity
    settle(entity.pk)
    rules = rules_of(entity)
    proposed = as_rule(operations.new_rule(**rule_fields(cleaned), actor=actor, rules=rules))
    matched = matched_by(entity, proposed)
    spans = _changed_spans(rules, proposed, matched)
    versions = list(journals.buildable(entity).filter(rollups__signature__in=spans).distinct())
    facts = read(entity, versions, cuts=days_of(spans))
    before = journals.compute(facts)
    after = journals.compute(facts, spans=spans)
    comparison = compare(facts, before, after)
    cells = [cell for payout in after for cell in payout.cells if cell.cause in spans]
    detail = MapFeePlan(
        comparison=comparison,
        rule=_rule_words(cleaned["pattern"], cleaned["since"]),
        cases=_cases_closed(case, matched, cells),
        overlaps=_overlaps(rules, proposed, matched),
        warnings=_warnings(cleaned["account"], cells),
    )
    count = comparison.lines
    lines = f"{count:,} line{'' if count == 1 else 's'} ({sums(comparison.gross)})"
    freed = f" and frees {comparison.freed_words}" if comparison.freed else ""
    return Plan(
        effect=f"Map the fee and {comparison.effect}",
        says=f"Maps {lines} to {cleaned['account'].code}{freed}. One step: all of it or none of it.",
        digest=digest(proposed, sorted(rules, key=lambda rule: rule.id), facts.books, before),
        detail={"map": detail},
        weight=comparison.weight,
    )


def run(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    mapped = operations.map_fee(**rule_fields(cleaned), actor=actor)
    verb = "line now posts" if mapped.lines == 1 else "lines now post"
    return f"Mapped. {mapped.lines:,} {verb} to {cleaned['account'].code}."


def _changed_spans(
    rules: list[Rule], proposed: Rule, matched: list[FeeSignature]
) -> dict[int, list[tuple[Span, Rule]]]:
    """What would map each signature that the new rule changes."""
    found = {}
    for row in matched:
        signature = Signature.of(row)
        spans = resolve_spans([*rules, proposed], signature)
        if any(rule is proposed for _, rule in spans):
            found[row.pk] = spans
    return found


def _cases_closed(case: Case, matched: list[FeeSignature], cells: list[Portion]) -> int:
    mapped = {cell.cause for cell in cells} - {cell.cause for cell in cells if cell.posting is None}
    keys = [row.key for row in matched if row.pk in mapped]
    return Case.objects.live().filter(entity=case.entity_id, type=case.type, subject__in=keys).count()


def _overlaps(rules: list[Rule], proposed: Rule, matched: list[FeeSignature]) -> list[str]:
    """Other rules that match the same fees on the same days, in words: who wins."""
    signatures = [Signature.of(row) for row in matched]
    found = []
    for rule in rules:
        if not rule.span.meets(Span(proposed.span.since, proposed.span.until)):
            continue
        if any(matches(rule.pattern, signature) for signature in signatures):
            stronger = exactness(rule.pattern) > exactness(proposed.pattern)
            name = " / ".join(part for part in vars(rule.pattern).values() if part) or "everything"
            found.append(
                f"{name}: more exact, it keeps what it maps" if stronger else f"{name}: less exact, this rule wins"
            )
    return found


def _warnings(account: Account, cells: list[Portion]) -> list[str]:
    charges = sum(cell.debit for cell in cells) > sum(cell.credit for cell in cells)
    if charges and account.kind == Account.Kind.INCOME:
        return [
            f"These are charges, and {account} is an income account. Right for refunds and promotions, wrong for fees."
        ]
    if not charges and account.kind == Account.Kind.EXPENSE:
        return [f"These are credits, and {account} is an expense account. Right for fees given back, wrong for income."]
    return []


def _rule_words(pattern: dict[str, str], since: date) -> str:
    name = " / ".join(pattern[part] or "any" for part in ("transaction_type", "amount_type", "amount_description"))
    return f"{name}, {pattern['marketplace'] or 'all marketplaces'}, from {since.day} {since:%b %Y}"


MAP_FEE = Action(
    name="map-fee",
    label="Give it an account",
    permission=MAP_FEES,
    form=MapFeeForm,
    preview=preview,
    run=run,
    clears=causes.JOURNALS,
    template="cases/fee_plan.html",
)
