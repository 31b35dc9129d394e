"""One mapping rule: what it maps, all versions of its pattern, and its change or undoing with a preview."""

from typing import Any

from django import forms
from django.db.models import Exists, F, OuterRef, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from apps.console.deeds import Attempted, attempt, may_not, named, offer
from apps.console.screens import PAGE, door, render_screen, show_in_zone
from apps.core.models import User
from apps.core.permissions import MAP_FEES, READ_MONEY
from apps.exceptions.forms import ReasonForm, refusal_beside_its_field
from apps.exceptions.types import Plan
from apps.ledger.models import Account, TaxClass
from apps.settlements import causes
from apps.settlements.models import FeeRule, FeeSignature, Resolution, RollUp
from apps.settlements.rule_versions import change, change_rule, foresee, history, undo, undo_rule
from apps.work.deeds import Deed

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
                change(self.rule, **_fields(cleaned), actor=self.actor)
        return cleaned


def _fields(cleaned: dict[str, Any]) -> dict[str, Any]:
    return {name: cleaned[name] for name in ("account", "since", "reason")} | {"tax_class": cleaned["tax"]}


def _preview_change(rule: FeeRule, actor: User, cleaned: dict[str, Any]) -> Plan:
    seen = foresee(rule.entity, [change(rule, **_fields(cleaned), actor=actor)])
    return Plan(
        effect=f"Map it to {cleaned['account'].code} and {seen.comparison.effect}",
        says=f"{rule} posts to {cleaned['account']}, {_taxed(cleaned['tax'])}. The version before stays on record.",
        digest=seen.digest,
        detail={"seen": seen},
    )


def _run_change(rule: FeeRule, actor: User, cleaned: dict[str, Any]) -> str:
    new = change_rule(rule=rule, **_fields(cleaned), actor=actor)
    return f"Changed. {new} posts to {new.account}, {_taxed(new.tax_class)}."


def _preview_undo(rule: FeeRule, actor: User, cleaned: dict[str, Any]) -> Plan:
    step = undo(rule, reason=cleaned["reason"], actor=actor)
    seen = foresee(rule.entity, [step])
    return Plan(
        effect=f"Undo it and {seen.comparison.effect}",
        says=_goes_back(step.new),
        digest=seen.digest,
        detail={"seen": seen},
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


@door(READ_MONEY)
def rule(request: HttpRequest, pk: int) -> HttpResponse:
    found = _seen_by(request, pk)
    chosen = DEEDS.get(request.GET.get("do", ""), CHANGE)
    able = not found.period.isempty and not may_not(chosen, found, request.user)
    return _show(request, found, offer(chosen, found, request.user) if able else None)


@door(READ_MONEY, methods=["POST"])
def rule_do(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Preview the change or the undoing, or do it if it still matches the preview."""
    found = _seen_by(request, pk)
    attempted = attempt(named(DEEDS, name), found, request)
    if attempted.done:
        return redirect("rule", pk=history(found)[0].pk)
    return _show(request, found, attempted)


def _seen_by(request: HttpRequest, pk: int) -> FeeRule:
    mine = FeeRule.objects.filter(entity__in=request.user.entities_where(READ_MONEY))
    found = get_object_or_404(mine.select_related("entity", "account", "tax_class", "made_by", "cut_by"), pk=pk)
    show_in_zone(found.entity)
    return found


def _show(request: HttpRequest, rule: FeeRule, attempted: Attempted | None) -> HttpResponse:
    versions = history(rule)
    context = {
        "rule": rule,
        "versions": versions,
        "now": next((row for row in versions if not row.period.isempty), None),
        "fees": _fees(rule),
        "attempted": attempted,
        "others": [(deed.name, deed.label) for deed in DEEDS.values() if attempted and deed != attempted.deed],
        "may_not": may_not(CHANGE, rule, request.user) if not rule.period.isempty else "",
    }
    status = attempted.status if attempted else 200
    return render_screen(request, "rule.html", context, partial="preview", status=status)


def _fees(rule: FeeRule) -> list[tuple[FeeSignature, int, dict]]:
    """The fees that it maps, each with lines and {currency: money} in settlements that were taken; the most lines first."""
    won = Resolution.objects.filter(rule=rule, signature=OuterRef("signature"), period__contains=OuterRef("day"))
    sums = RollUp.objects.taken().filter(Exists(won)).values_list("signature", "version__settlement__currency")
    weights: dict[int, tuple[int, dict]] = {}
    for fee, currency, lines, money in sums.annotate(n=Sum("lines"), money=Sum(F("credit") - F("debit"))):
        count, amounts = weights.get(fee, (0, {}))
        weights[fee] = (count + lines, amounts | {currency: money})
    resolved = FeeSignature.objects.filter(resolutions__rule=rule).distinct()
    found = [(fee, *weights.get(fee.pk, (0, {}))) for fee in resolved]
    return sorted(found, key=lambda row: (-row[1], row[0].key))[:PAGE]
