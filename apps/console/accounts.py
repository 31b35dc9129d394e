"""The chart of accounts: what uses each account, and closing or reopening one with a preview."""

from typing import Any

from django.db.models import Count, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from apps.console import words
from apps.console.deeds import Attempted, attempt, may_not, named, offer
from apps.console.screens import PAGE, door, page_of, query_without, render_screen, show_in_zone
from apps.core.models import AuditEntry, User
from apps.core.permissions import APPLY_CHART, READ_MONEY
from apps.exceptions.forms import ReasonForm
from apps.exceptions.models import Case
from apps.exceptions.types import Plan, digest
from apps.ledger.models import Account, JournalLine, TaxCode
from apps.settlements.accounts import (
    Waiting,
    close_account,
    pointing_at,
    preview_reopen,
    reopen_account,
    waiting_on,
    why_not_closed,
)
from apps.work.deeds import Deed

MISSING = "ledger.account-missing"


def _preview_close(account: Account, actor: User, cleaned: dict[str, Any]) -> Plan:
    rules = pointing_at([account]).count()
    waiting = waiting_on([account]).get(account.pk, Waiting())
    stands = words.counted(len(waiting.settlements), "settlement")
    return Plan(
        effect=f"Close {account.code}",
        says="What is booked on it stays. Nothing new can be mapped to it.",
        digest=digest(account.pk, account.closed_at, rules, waiting),
        detail={
            "rules": f"{words.counted(rules, 'rule points', 'rules point')} at it" if rules else "None points at it.",
            "not exported": f"{words.sums(waiting.money.items())} in journals of {stands}"
            if waiting.lines
            else "Nothing.",
            "then": "An exception opens: the rules must be moved before these journals can be approved."
            if rules or waiting.lines
            else "Nothing is left to do.",
        },
    )


def _run_close(account: Account, actor: User, cleaned: dict[str, Any]) -> str:
    return f"{close_account(account=account, reason=cleaned['reason'], actor=actor)} is closed."


def _preview_reopen(account: Account, actor: User, cleaned: dict[str, Any]) -> Plan:
    return preview_reopen(account)


def _run_reopen(account: Account, actor: User, cleaned: dict[str, Any]) -> str:
    return f"{reopen_account(account=account, reason=cleaned['reason'], actor=actor)} is open again."


CLOSE = Deed(
    name="close",
    label="Close the account",
    permission=APPLY_CHART,
    form=ReasonForm,
    preview=_preview_close,
    run=_run_close,
    clears=(MISSING,),
)
REOPEN = Deed(
    name="reopen",
    label="Reopen the account",
    permission=APPLY_CHART,
    form=ReasonForm,
    preview=_preview_reopen,
    run=_run_reopen,
    clears=(MISSING,),
)
DEEDS = {deed.name: deed for deed in (CLOSE, REOPEN)}


@door(READ_MONEY)
def accounts(request: HttpRequest) -> HttpResponse:
    """By company and code. ?show=closed: only those that are closed."""
    mine = Account.objects.filter(entity__in=request.user.entities_where(READ_MONEY)).select_related("entity")
    mine = request.companies.within(mine)
    show = "closed" if request.GET.get("show") == "closed" else "all"
    rows = mine.exclude(closed_at=None) if show == "closed" else mine
    entity, _, code = request.GET.get("after", "").partition("~")
    if entity.isdecimal():
        rows = rows.filter(Q(entity__gt=int(entity)) | Q(entity=int(entity), code__gt=code))
    shown, more = page_of(rows.order_by("entity", "code"))
    rules = dict(pointing_at(shown).order_by().values_list("account").annotate(Count("pk")))
    booked: dict[int, dict] = {}
    sums = JournalLine.objects.filter(account__in=shown).order_by().values_list("account", "journal__currency")
    for account, currency, debit, credit in sums.annotate(Sum("debit"), Sum("credit")):
        booked.setdefault(account, {})[currency] = debit - credit
    context = {
        "rows": [(row, rules.get(row.pk, 0), booked.get(row.pk, {})) for row in shown],
        "show": show,
        "closed": mine.exclude(closed_at=None).count(),
        "missing": Case.objects.visible_to(request.user).live().filter(type=MISSING).first(),
        "next": f"{shown[-1].entity_id}~{shown[-1].code}" if more else "",
        "kept": query_without(request, "after"),
        "several": request.companies.several,
    }
    return render_screen(request, "accounts.html", context)


@door(READ_MONEY)
def account(request: HttpRequest, pk: int) -> HttpResponse:
    found = _seen_by(request, pk)
    deed = REOPEN if found.closed_at else CLOSE
    able = not may_not(deed, found, request.user) and (found.closed_at or not why_not_closed(found))
    return _show(request, found, offer(deed, found, request.user) if able else None)


@door(READ_MONEY, methods=["POST"])
def account_do(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Preview the closing or reopening, or do it if it still matches the preview."""
    found = _seen_by(request, pk)
    attempted = attempt(named(DEEDS, name), found, request)
    if attempted.done:
        return redirect("account", pk=pk)
    return _show(request, found, attempted)


def _seen_by(request: HttpRequest, pk: int) -> Account:
    mine = Account.objects.filter(entity__in=request.user.entities_where(READ_MONEY)).select_related("entity")
    found = get_object_or_404(mine, pk=pk)
    show_in_zone(found.entity)
    return found


def _show(request: HttpRequest, account: Account, attempted: Attempted | None) -> HttpResponse:
    rules = pointing_at([account])
    case = Case.objects.visible_to(request.user).live().filter(type=MISSING, entity=account.entity_id)
    context = {
        "account": account,
        "rules": rules.select_related("tax_class")[:PAGE],
        "rule_count": rules.count(),
        "tax_codes": TaxCode.objects.filter(account=account),
        "waiting": waiting_on([account]).get(account.pk),
        "history": AuditEntry.objects.about(f"account:{account.pk}")[:PAGE],
        "case": case.filter(subject=account.code).first(),
        "attempted": attempted,
        "why_not": may_not(CLOSE, account, request.user) or ("" if account.closed_at else why_not_closed(account)),
    }
    status = attempted.status if attempted else 200
    return render_screen(request, "account.html", context, partial="preview", status=status)
