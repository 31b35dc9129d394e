"""GL mapping: the rules, how much of the money they cover, and every fee signature with its account."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Case as SqlCase
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, When
from django.db.models.functions import Abs
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone

from apps.console.screens import PAGE, door, page_of, query_without, render_screen, show_in_zone
from apps.core.permissions import APPLY_CHART, READ_MONEY
from apps.exceptions.models import Case
from apps.settlements.models import FeeRule, FeeSignature, JournalPart, Resolution, RollUp, SettlementVersion
from apps.settlements.resolutions import rules_of
from apps.settlements.rules import Signature, explain

FEE_UNMAPPED = "settlement.fee-unmapped"


@dataclass
class Coverage:
    """What of the journals' lines and money (without sign) has an account, in one currency."""

    currency: str
    lines: int = 0
    mapped_lines: int = 0
    money: Decimal = Decimal(0)
    mapped_money: Decimal = Decimal(0)

    @property
    def percent(self) -> str:
        """Rounded down, so that 100 means all of it."""
        share = self.mapped_money * 1000 // self.money if self.money else Decimal(1000)
        return f"{share / 10:.1f}".removesuffix(".0")


@door(READ_MONEY)
def mapping(request: HttpRequest) -> HttpResponse:
    """The rules, or with ?show=signatures the signatures."""
    show = "signatures" if request.GET.get("show") == "signatures" else "rules"
    context: dict[str, Any] = {
        "show": show,
        "coverage": _coverage(request),
        "text": request.GET.get("text", "").strip(),
        "kept": query_without(request, "after"),
        "several": request.companies.several,
        "may_chart": request.user.may_anywhere(APPLY_CHART),
        **(_signatures(request) if show == "signatures" else _rules(request)),
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
        _of_mine(request, FeeRule.objects.select_related("account", "tax_class", "made_by", "entity"))
    )
    if text := request.GET.get("text", "").strip():
        rows = rows.filter(_says(text) | Q(account__name__icontains=text) | Q(account__code=text))
    code, _, pk = request.GET.get("after", "").rpartition("~")
    if pk.isdecimal():
        rows = rows.filter(Q(account__code__gt=code) | Q(account__code=code, pk__gt=int(pk)))
    shown, more = page_of(rows.order_by("account__code", "pk"))
    return {"rules": shown, "next": f"{shown[-1].account.code}~{shown[-1].pk}" if more else ""}


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


def _coverage(request: HttpRequest) -> list[Coverage]:
    parts = JournalPart.objects.filter(journal_line__journal__entity_id__in=request.user.entities_where(READ_MONEY))
    parts = request.companies.within(parts, "journal_line__journal__entity_id")
    without = SqlCase(When(journal_line__account=None, then=True), default=False)
    sums = parts.values_list("journal_line__journal__currency", without).annotate(
        n=Sum("lines"), money=Sum(Abs("amount"))
    )
    found: dict[str, Coverage] = {}
    for currency, missing, lines, money in sums:
        coverage = found.setdefault(currency, Coverage(currency))
        coverage.lines += lines
        coverage.money += money
        if not missing:
            coverage.mapped_lines += lines
            coverage.mapped_money += money
    return sorted(found.values(), key=lambda coverage: -coverage.money)
