"""The lines behind a figure of a settlement, and one raw line as it stands in the stored file."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Concat
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from apps.console.screens import door, page_of, query_without, render_screen, show_in_zone
from apps.core.permissions import READ_MONEY
from apps.integrations.files import open_raw
from apps.ledger.models import Account
from apps.ledger.rules import month_end
from apps.settlements.models import (
    FeeSignature,
    OrderLeg,
    Resolution,
    RollUp,
    Settlement,
    SettlementLine,
    SettlementVersion,
    version_that_counts,
)
from apps.settlements.raw import raw_line

PAGE = 100
NONE = "none"  # in an address: no account, no known leg
DAY = timedelta(days=1)
NOTHING = Q(line__in=[])


@dataclass(frozen=True)
class Filter:
    """What the address narrows the lines down to; empty is everything."""

    signature: FeeSignature | None
    month: date | None
    account: str
    leg: str

    @property
    def narrows_days(self) -> bool:
        return bool(self.month or self.account)


@door(READ_MONEY)
def settlement_lines(request: HttpRequest, settlement_id: str) -> HttpResponse:
    settlement, version = version_seen_by(request, settlement_id)
    asked = _asked(request, settlement)
    cells = _cells(version, asked)
    total = cells.aggregate(lines=Sum("lines"), amount=Sum(F("credit") - F("debit")))
    rows = _lines(version, asked, cells)
    after = request.GET.get("after", "")
    if after.isdecimal():
        rows = rows.filter(line__gt=int(after))
    shown, more = page_of(rows.select_related("signature").order_by("line"), PAGE)
    context: dict[str, Any] = {
        "settlement": settlement,
        "version": version,
        "asked": asked,
        "account": _account_words(asked.account, settlement),
        "lines": total["lines"] or 0,
        "amount": total["amount"] or Decimal(0),
        "rows": shown,
        "next": shown[-1].line if more else "",
        "kept": query_without(request, "after"),
        "signatures": FeeSignature.objects.filter(pk__in=version.rollups.values("signature")).order_by(
            "transaction_type", "amount_type", "amount_description"
        ),
    }
    return render_screen(request, "lines.html", context, partial="rows")


@door(READ_MONEY)
def settlement_line(request: HttpRequest, settlement_id: str, line: int) -> HttpResponse:
    """Read from the stored file at the line's byte offset, so that what is shown is what came."""
    settlement, version = version_seen_by(request, settlement_id)
    found = get_object_or_404(SettlementLine.objects.select_related("signature"), version_id=version.pk, line=line)
    header, raw = _raw(version, 0).removeprefix("\ufeff"), _raw(version, found.byte_offset)
    names, values = header.split("\t"), raw.split("\t")
    context = {
        "settlement": settlement,
        "version": version,
        "line": found,
        "raw": raw,
        "columns": [(name, values[i] if i < len(values) else "") for i, name in enumerate(names)],
    }
    return render_screen(request, "line.html", context)


def version_seen_by(request: HttpRequest, settlement_id: str) -> tuple[Settlement, SettlementVersion]:
    """The settlement and the version that the address names, else the one that counts; else 404."""
    visible = Settlement.objects.visible_to(request.user).select_related("entity", "connection")
    settlement = get_object_or_404(visible, settlement_id=settlement_id)
    show_in_zone(settlement.entity)
    versions = list(settlement.versions.select_related("file__connection", "file__received_by"))
    number = request.GET.get("version", "")
    version = next((v for v in versions if str(v.number) == number), None) if number else version_that_counts(versions)
    if version is None:
        raise Http404(f"no version {number}")
    version.settlement = settlement
    return settlement, version


def with_account(cells: QuerySet[RollUp]) -> QuerySet[RollUp]:
    """Roll-ups with the account and tax class that the rule in force on their day gives them."""
    rule = Resolution.objects.filter(signature=OuterRef("signature"), period__contains=OuterRef("day"))
    return cells.annotate(
        account_id=Subquery(rule.values("rule__account")[:1]),
        tax_class_id=Subquery(rule.values("rule__tax_class")[:1]),
        rule_id=Subquery(rule.values("rule")[:1]),
    )


def _asked(request: HttpRequest, settlement: Settlement) -> Filter:
    signature, month = request.GET.get("signature", ""), request.GET.get("month", "")
    try:
        first = datetime.strptime(month, "%Y-%m").date() if month else None
    except ValueError:
        first = None
    found = settlement.entity.signatures.filter(pk=signature).first() if signature.isdecimal() else None
    return Filter(found, first, request.GET.get("account", ""), request.GET.get("leg", ""))


def _cells(version: SettlementVersion, asked: Filter) -> QuerySet[RollUp]:
    cells = version.rollups.all()
    if asked.signature:
        cells = cells.filter(signature=asked.signature)
    if asked.leg:
        cells = cells.filter(leg="" if asked.leg == NONE else asked.leg)
    if asked.month:
        cells = cells.filter(_in_month(version, asked.month))
    if asked.account == NONE:
        cells = cells.unmapped()
    elif asked.account:
        account = Account.objects.filter(entity=version.settlement.entity_id, code=asked.account).values("pk")
        cells = with_account(cells).filter(account_id__in=account)
    return cells


def _in_month(version: SettlementVersion, month: date) -> Q:
    """What is posted after the settlement's end belongs to its last month (the journals count so too)."""
    last = month_end(month)
    end = version.settlement.end_at.astimezone(ZoneInfo(version.settlement.entity.zone)).date()
    return Q(day__gte=month) if end <= last else Q(day__gte=month, day__lte=last)


def _lines(version: SettlementVersion, asked: Filter, cells: QuerySet[RollUp]) -> QuerySet[SettlementLine]:
    """The lines that the cells count."""
    rows = SettlementLine.objects.filter(version_id=version.pk)
    if asked.narrows_days:
        rows = rows.filter(_days(version, cells))
    elif asked.signature:
        rows = rows.filter(signature_id=asked.signature.pk)
    if asked.leg:
        known = OrderLeg.objects.filter(connection=version.settlement.connection_id, order_id=OuterRef("order_id"))
        leg = known.annotate(leg=Concat("ship_from", Value(">"), "ship_to")).filter(leg=asked.leg)
        rows = rows.filter(~Exists(known) if asked.leg == NONE else Exists(leg))
    return rows


def _days(version: SettlementVersion, cells: QuerySet[RollUp]) -> Q:
    """Each signature of the cells on runs of its days: a run ends before a day of it that is not in the cells."""
    wanted, every = defaultdict(set), defaultdict(set)
    for signature, day in cells.values_list("signature", "day").distinct():
        wanted[signature].add(day)
    for signature, day in version.rollups.filter(signature__in=wanted).values_list("signature", "day").distinct():
        every[signature].add(day)
    zone = ZoneInfo(version.settlement.entity.zone)
    condition = NOTHING
    for signature, days in wanted.items():
        spans = NOTHING
        for selected, run in groupby(sorted(every[signature]), key=days.__contains__):
            if selected:
                first, *rest = run
                last = rest[-1] if rest else first
                spans |= Q(posted_at__gte=_midnight(first, zone), posted_at__lt=_midnight(last + DAY, zone))
        condition |= Q(signature_id=signature) & spans
    return condition


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _account_words(code: str, settlement: Settlement) -> str:
    if code == NONE:
        return "no account"
    return str(Account.objects.filter(entity=settlement.entity_id, code=code).first() or "") if code else ""


def _raw(version: SettlementVersion, offset: int) -> str:
    """The line that begins at the offset of the stored file, without its end."""
    with open_raw(version.file) as stream:
        return raw_line(stream, offset, version.line_end).decode(version.encoding)
