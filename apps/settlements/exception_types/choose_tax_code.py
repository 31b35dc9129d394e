"""The action that taxes a class of fees on a leg: its form, what it would do, doing it."""

from dataclasses import replace
from datetime import date
from typing import Any

from django import forms

from apps.core.models import User
from apps.core.permissions import MAP_FEES
from apps.exceptions.forms import refusal_beside_its_field
from apps.exceptions.models import Case
from apps.exceptions.types import Action, Plan, digest
from apps.ledger.models import TaxClass, TaxCode
from apps.ledger.rules import Books, TaxRule
from apps.settlements import causes, journals, operations
from apps.settlements.facts import read
from apps.settlements.plans import compare
from apps.settlements.resolutions import settle


class ChooseTaxCodeForm(forms.Form):
    tax_code = forms.ModelChoiceField(TaxCode.objects.none(), label="Tax code", empty_label="Choose a tax code")
    since = forms.DateField(label="From", widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"))
    reason = forms.CharField(label="Reason, for the audit trail", max_length=240)

    def __init__(self, case: Case, actor: User, data: Any = None):
        self.tax_class = TaxClass.objects.get(entity=case.entity_id, pk=case.facts["tax_class_id"])
        self.leg = case.facts["leg"]
        first = date.fromisoformat(case.facts["first"])
        super().__init__(data, initial=None if data else {"since": first})
        self.fields["tax_code"].queryset = TaxCode.objects.filter(entity=case.entity_id)
        self.fields["since"].help_text = f"First line: {first.day} {first:%b %Y}"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() | {"tax_class": self.tax_class, "leg": self.leg}
        if not self.errors:
            with refusal_beside_its_field():
                operations.new_tax_rule(**_rule_fields(cleaned))
        return cleaned


def _rule_fields(cleaned: dict[str, Any]) -> dict[str, Any]:
    return {name: cleaned[name] for name in ("tax_class", "leg", "tax_code", "since")}


def preview(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
    """Recompute the drafts that use the class as the new tax rule would tax them."""
    entity = case.entity
    settle(entity.pk)
    versions = list(journals.using_class(entity, cleaned["tax_class"]))
    row = operations.new_tax_rule(**_rule_fields(cleaned))
    facts = read(entity, versions, cuts=[day for day in (row.period.lower, row.period.upper) if day])
    taxed = _with_rule(facts.books, row.tax_class_id, TaxRule(row.leg, row.period.lower, row.period.upper, row.tax_code_id))
    before = journals.compute(facts)
    after = journals.compute(facts, books=taxed)
    comparison = compare(facts, before, after)
    freed = f" Frees {comparison.freed_words}." if comparison.freed else ""
    leg = cleaned["leg"].replace(">", " to ")
    return Plan(
        effect=f"Use {cleaned['tax_code']} and {comparison.effect}",
        says=f"{cleaned['tax_class']} from {leg} carry {cleaned['tax_code']}.{freed} All of it or none of it.",
        digest=digest(row.tax_class_id, row.leg, row.period, row.tax_code_id, facts.books, before),
        detail={"comparison": comparison},
        weight=comparison.weight,
    )


def run(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    operations.choose_tax_code(entity=case.entity, **_rule_fields(cleaned), reason=cleaned["reason"], actor=actor)
    return f"Saved. {cleaned['tax_class']} from {cleaned['leg'].replace('>', ' to ')} carry {cleaned['tax_code']}."


def _with_rule(books: Books, tax_class: int, rule: TaxRule) -> Books:
    found = books.tax_classes[tax_class]
    return replace(books, tax_classes={**books.tax_classes, tax_class: replace(found, rules=(*found.rules, rule))})


CHOOSE_TAX_CODE = Action(
    name="choose-tax-code",
    label="Choose its tax code",
    permission=MAP_FEES,
    form=ChooseTaxCodeForm,
    preview=preview,
    run=run,
    clears=causes.JOURNALS,
    template="cases/tax_code_plan.html",
)
