"""A mapping rule as people change it: its form, what it would do to the journals, doing it; and its undoing."""

from typing import Any

from django import forms

from apps.core.models import Entity, User
from apps.core.permissions import MAP_FEES
from apps.exceptions.forms import ReasonForm, refusal_beside_its_field
from apps.exceptions.types import Plan
from apps.ledger.models import Account, TaxClass
from apps.settlements import causes
from apps.settlements.models import FeeRule
from apps.settlements.rule_versions import change, change_rule, foresee, undo, undo_rule
from apps.work.deeds import Deed, Kind, register_kind

NO_TAX = "none"


class ChangeRuleForm(forms.Form):
    account = forms.ModelChoiceField(Account.objects.none(), label="Ledger account", empty_label="Choose an account")
    tax = forms.ChoiceField(label="Tax inside the amount")
    since = forms.DateField(label="From", required=False, widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"))
    reason = forms.CharField(label="Reason, for the audit trail", max_length=240)

    def __init__(self, rule: FeeRule, actor: User, data: Any = None):
        self.rule, self.actor = rule, actor
        now = {"account": rule.account_id, "tax": rule.tax_class_id or NO_TAX}
        super().__init__(data, initial=now if data is None else None)
        self.fields["account"].queryset = Account.objects.postable().filter(entity=rule.entity_id)
        classes = [(each.pk, str(each)) for each in TaxClass.objects.filter(entity=rule.entity_id)]
        self.fields["tax"].choices = [(NO_TAX, "No tax on it"), *classes]
        self.fields["since"].help_text = "Empty: from the beginning of this version. What has left is then corrected."

    def clean_tax(self) -> TaxClass | None:
        chosen = self.cleaned_data["tax"]
        return None if chosen == NO_TAX else TaxClass.objects.get(pk=chosen, entity=self.rule.entity_id)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            with refusal_beside_its_field():
                change(self.rule, **fields(cleaned), actor=self.actor)
        return cleaned


def fields(cleaned: dict[str, Any]) -> dict[str, Any]:
    return {name: cleaned[name] for name in ("account", "since", "reason")} | {"tax_class": cleaned["tax"]}


def _preview_change(rule: FeeRule, actor: User, cleaned: dict[str, Any]) -> Plan:
    seen = foresee(rule.entity, [change(rule, **fields(cleaned), actor=actor)])
    return Plan(
        effect=f"Map it to {cleaned['account'].code} and {seen.comparison.effect}",
        says=f"{rule} posts to {cleaned['account']}, {_taxed(cleaned['tax'])}. The version before stays on record.",
        digest=seen.digest,
        detail={"seen": seen},
        weight=seen.comparison.weight,
    )


def _run_change(rule: FeeRule, actor: User, cleaned: dict[str, Any]) -> str:
    new = change_rule(rule=rule, **fields(cleaned), actor=actor)
    return f"Changed. {new} posts to {new.account}, {_taxed(new.tax_class)}."


def _preview_undo(rule: FeeRule, actor: User, cleaned: dict[str, Any]) -> Plan:
    step = undo(rule, reason=cleaned["reason"], actor=actor)
    seen = foresee(rule.entity, [step])
    return Plan(
        effect=f"Undo it and {seen.comparison.effect}",
        says=_goes_back(step.new),
        digest=seen.digest,
        detail={"seen": seen},
        weight=seen.comparison.weight,
    )


def _run_undo(rule: FeeRule, actor: User, cleaned: dict[str, Any]) -> str:
    return f"Undone. {_goes_back(undo_rule(rule=rule, reason=cleaned['reason'], actor=actor))}"


def _goes_back(new: FeeRule) -> str:
    if new.account:
        return f"{new} posts to {new.account} again, {_taxed(new.tax_class)}."
    return f"{new} has no rule of its own now. A less exact rule takes its fees, or they have no account."


def _taxed(tax_class: TaxClass | None) -> str:
    return f"taxed as {tax_class}" if tax_class else "no tax on it"


CHANGE = Deed(
    name="change",
    label="Change what it maps to",
    permission=MAP_FEES,
    form=ChangeRuleForm,
    preview=_preview_change,
    run=_run_change,
    clears=causes.JOURNALS,
    template="cases/rule_plan.html",
)
UNDO = Deed(
    name="undo",
    label="Undo this version",
    permission=MAP_FEES,
    form=ReasonForm,
    preview=_preview_undo,
    run=_run_undo,
    clears=causes.JOURNALS,
    template="cases/rule_plan.html",
)
DEEDS = {deed.name: deed for deed in (CHANGE, UNDO)}


def _rule(pk: int, entity: Entity) -> FeeRule:
    return FeeRule.objects.select_related("entity", "account", "tax_class").get(pk=pk, entity=entity)


register_kind(Kind(name="rule", find=_rule, deeds=lambda rule: DEEDS))
