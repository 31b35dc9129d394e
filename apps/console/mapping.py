"""GL mapping: the rules, how much of the money they cover, and every fee signature with its account."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone

from apps.console.screens import PAGE, door, page_of, query_without, render_screen, show_in_zone
from apps.core.permissions import APPLY_CHART, READ_MONEY
from apps.exceptions.models import Case
from apps.settlements import care
from apps.settlements.models import FeeRule, FeeSignature, Resolution, RollUp, SettlementVersion
from apps.settlements.operations import PERSON
from apps.settlements.resolutions import rules_of
from apps.settlements.rules import Signature, explain

FEE_UNMAPPED = "settlement.fee-unmapped"


SHOW = ("rules", "signatures", "care")
CARE_SHOWN = 20  # of each kind


@door(READ_MONEY)
def mapping(request: HttpRequest) -> HttpResponse:
    """The rules, or with ?show=signatures the signatures, with ?show=care what wants a look."""
    show = request.GET.get("show", "")
    show = show if show in SHOW else "rules"
    mine = [pk for pk in request.companies.ids if request.user.may(READ_MONEY, pk)]
    coverage = care.coverage(mine)
    views = {"rules": lambda: _rules(request), "signatures": lambda: _signatures(request), "care": lambda: _care(mine)}
    context: dict[str, Any] = {
        "show": show,
        "coverage": care.in_all(coverage),
        "by_type": coverage,
        "text": request.GET.get("text", "").strip(),
        "kept": query_without(request, "after"),
        "several": request.companies.several,
        "may_chart": request.user.may_anywhere(APPLY_CHART),
        **views[show](),
    }
    return render_screen(request, "mapping.html", context, partial="rows")


@door(READ_MONEY)
def signature(request: HttpRequest, pk: int) -> HttpResponse:
    """Which rule maps it today, which others match and why they lose; where it was seen."""
    mine = _of_mine(request, FeeSignature.objects.select_related("entity"))
    found = get_object_or_404(mine, pk=pk)
    show_in_zone(found.entity)
    explained = explain(Signature.of(found), rules_of(found.entity), timezone.localdate())
    ids = [rule.id for rule in (explained.winner, *(rule for rule, _ in explained.losers)) if rule]
    rows = FeeRule.objects.select_related("account", "tax_class", "made_by").in_bulk(ids)
    seen = (
        RollUp.objects.taken()
        .filter(signature=found)
        .values(
            "version__settlement__settlement_id",
            "version__settlement__currency",
            "version__settlement__start_at",
            "version__settlement__end_at",
        )
    )
    context = {
        "signature": found,
        "explained": explained,
        "winner": rows.get(explained.winner.id) if explained.winner else None,
        "losers": [(rows[rule.id], words) for rule, words in explained.losers if rule.id in rows],
        "seen": seen.annotate(n=Sum("lines"), amount=Sum(F("credit") - F("debit"))).order_by(
            "-version__settlement__end_at"
        )[:PAGE],
        "case": Case.objects.visible_to(request.user)
        .live()
        .filter(type=FEE_UNMAPPED, entity=found.entity_id, subject=found.key)
        .first(),
    }
    return render_screen(request, "signature.html", context)


def _of_mine(request: HttpRequest, rows: QuerySet) -> QuerySet:
    return rows.filter(entity_id__in=request.user.entities_where(READ_MONEY))


def _rules(request: HttpRequest) -> dict[str, Any]:
    rows = request.companies.within(
        _of_mine(request, FeeRule.objects.in_force().select_related("account", "tax_class", "made_by", "entity"))
    )
    if text := request.GET.get("text", "").strip():
        rows = rows.filter(_says(text) | Q(account__name__icontains=text) | Q(account__code=text))
    code, _, pk = request.GET.get("after", "").rpartition("~")
    if pk.isdecimal():
        rows = rows.filter(Q(account__code__gt=code) | Q(account__code=code, pk__gt=int(pk)))
    shown, more = page_of(rows.order_by("account__code", "pk"))
    return {"rules": shown, "next": f"{shown[-1].account.code}~{shown[-1].pk}" if more else ""}


def _care(entities: list[int]) -> dict[str, Any]:
    """Of each kind the first CARE_SHOWN, and how many there are."""
    found = care.rule_care(entities)
    shadowed, overlaps = found.shadowed[:CARE_SHOWN], found.overlaps[:CARE_SHOWN]
    named = {rule for each in shadowed for rule in (each.rule, *each.by)}
    named |= {rule for each in overlaps for rule in (each.winner, each.loser)}
    rows = FeeRule.objects.select_related("account", "made_by")
    rules = rows.in_bulk(named)
    unused = rows.filter(pk__in=found.unused, source=PERSON).order_by("pk")
    fees = FeeSignature.objects.in_bulk({each.fee for each in overlaps})
    new_names = care.new_names(FeeSignature.objects.filter(entity__in=entities))
    dear = care.dear_fees(entities)
    cases = Case.objects.live().filter(
        type=FEE_UNMAPPED, entity__in=entities, subject__in=[found.new.key for found in new_names]
    )
    case_of = {(case.entity_id, case.subject): case for case in cases}
    return {
        "care": {
            "new_names": [(each, case_of.get((each.new.entity_id, each.new.key))) for each in new_names[:CARE_SHOWN]],
            "dear": dear[:CARE_SHOWN],
            "shadowed": [(rules[each.rule], [rules[by] for by in each.by], each.fees) for each in shadowed],
            "overlaps": [(rules[each.winner], rules[each.loser], fees[each.fee], each.fees) for each in overlaps],
            "unused": unused[:CARE_SHOWN],
        },
        "counts": {
            "new_names": len(new_names),
            "dear": len(dear),
            "shadowed": len(found.shadowed),
            "overlaps": len(found.overlaps),
            "unused": len(found.unused),
            "unused_of_charts": len(found.unused) - unused.count(),
        },
    }


def _signatures(request: HttpRequest) -> dict[str, Any]:
    today = Resolution.objects.filter(signature=OuterRef("pk"), period__contains=timezone.localdate())
    rows = request.companies.within(_of_mine(request, FeeSignature.objects.select_related("entity")))
    if text := request.GET.get("text", "").strip():
        rows = rows.filter(_says(text))
    mapped = request.GET.get("mapped", "")
    if mapped in ("yes", "no"):
        rows = rows.filter(Exists(today) if mapped == "yes" else ~Exists(today))
    key, _, pk = request.GET.get("after", "").rpartition("~")
    if pk.isdecimal():
        rows = rows.filter(Q(key__gt=key) | Q(key=key, pk__gt=int(pk)))
    rows = rows.annotate(
        account=Subquery(today.values("rule__account__code")[:1]),
        account_name=Subquery(today.values("rule__account__name")[:1]),
    )
    shown, more = page_of(rows.order_by("key", "pk"))
    return {
        "signatures": [(row, *weights) for row, weights in zip(shown, _weights(shown), strict=True)],
        "mapped": mapped,
        "next": f"{shown[-1].key}~{shown[-1].pk}" if more else "",
    }


def _weights(signatures: list[FeeSignature]) -> list[tuple[int, dict[str, Decimal]]]:
    """Lines and {currency: money} of each in taken settlements."""
    lines: dict[int, int] = defaultdict(int)
    money: dict[int, dict[str, Decimal]] = defaultdict(dict)
    cells = RollUp.objects.filter(signature__in=signatures, version__state=SettlementVersion.State.TAKEN)
    sums = cells.values_list("signature", "version__settlement__currency").annotate(
        n=Sum("lines"), amount=Sum(F("credit") - F("debit"))
    )
    for pk, currency, count, amount in sums:
        lines[pk] += count
        money[pk][currency] = amount
    return [(lines[row.pk], money[row.pk]) for row in signatures]


def _says(text: str) -> Q:
    return (
        Q(transaction_type__icontains=text)
        | Q(amount_type__icontains=text)
        | Q(amount_description__icontains=text)
        | Q(marketplace__icontains=text)
    )
