"""One mapping rule: what it maps, all versions of its pattern, and its change or undoing with a preview."""

from django.db.models import Exists, F, OuterRef, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from apps.console.deeds import Attempted, attempt, may_not, named, offer
from apps.console.screens import PAGE, door, render_screen, show_in_zone
from apps.core.permissions import READ_MONEY
from apps.settlements.models import FeeRule, FeeSignature, Resolution, RollUp
from apps.settlements.rule_deeds import CHANGE, DEEDS
from apps.settlements.rule_versions import history
from apps.work.proposals import waiting_for


@door(READ_MONEY)
def rule(request: HttpRequest, pk: int) -> HttpResponse:
    found = rule_seen_by(request, pk)
    chosen = DEEDS.get(request.GET.get("do", ""), CHANGE)
    able = not found.period.isempty and not may_not(chosen, found, request.user)
    return _show(request, found, offer(chosen, found, request.user) if able else None)


@door(READ_MONEY, methods=["POST"])
def rule_do(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Preview the change or the undoing, or do it if it still matches the preview."""
    found = rule_seen_by(request, pk)
    attempted = attempt(named(DEEDS, name), found, request, kind="rule")
    if attempted.done:
        return redirect("rule", pk=history(found)[0].pk)
    return _show(request, found, attempted)


def rule_seen_by(request: HttpRequest, pk: int) -> FeeRule:
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
        "waits": waiting_for("rule", rule.pk),
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
