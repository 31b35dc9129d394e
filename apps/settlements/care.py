"""What of the companies' mapping wants a look: rules, fees and roll-ups, judged by care_rules. All of it is read, none saved."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db import connection
from django.db.models import Exists, F, Max, Min, OuterRef, QuerySet, Sum

from apps.core.money import words
from apps.ledger.models import Account
from apps.settlements.care_rules import Cost, Dearer, Renamed, RuleCare, Seen, dearer, look_at_rules, renamed
from apps.settlements.models import FeeRule, FeeSignature, Resolution, RollUp
from apps.settlements.resolutions import as_rule, span_of
from apps.settlements.rules import Signature, clean

LOOKED_BACK = timedelta(days=400)
SETTLEMENTS_COMPARED = 13  # the newest and, at two weeks each, half a year before it
COVERAGE = """
    SELECT settlement.currency, signature.transaction_type, sum(cell.lines)::bigint, sum(cell.credit + cell.debit),
           coalesce(sum(cell.lines) FILTER (WHERE resolution.id IS NOT NULL), 0)::bigint,
           coalesce(sum(cell.credit + cell.debit) FILTER (WHERE resolution.id IS NOT NULL), 0)
    FROM settlements_rollup cell
    JOIN settlements_settlementversion version ON version.id = cell.version_id AND version.state = 'taken'
    JOIN settlements_settlement settlement ON settlement.id = version.settlement_id
    JOIN settlements_feesignature signature ON signature.id = cell.signature_id
    LEFT JOIN settlements_resolution resolution
         ON resolution.signature_id = cell.signature_id AND resolution.period @> cell.day
    WHERE settlement.entity_id = ANY(%(entities)s)
    GROUP BY 1, 2 ORDER BY 1, 4 DESC, 2
"""


@dataclass
class Coverage:
    """What of the taken lines and money (without sign) has an account, in one currency; `name` is the transaction-type."""

    currency: str
    name: str = ""
    lines: int = 0
    money: Decimal = Decimal(0)
    mapped_lines: int = 0
    mapped_money: Decimal = Decimal(0)

    @property
    def percent(self) -> str:
        """Rounded down, so that 100 means all of it."""
        share = self.mapped_money * 1000 // self.money if self.money else Decimal(1000)
        return f"{share / 10:.1f}".removesuffix(".0")


def coverage(entities: Collection[int]) -> list[Coverage]:
    """By currency and transaction-type, the most money first."""
    with connection.cursor() as cursor:
        cursor.execute(COVERAGE, {"entities": list(entities)})
        return [Coverage(*row) for row in cursor.fetchall()]


def in_all(rows: Iterable[Coverage]) -> list[Coverage]:
    """By currency, the most money first."""
    found: dict[str, Coverage] = {}
    for row in rows:
        total = found.setdefault(row.currency, Coverage(row.currency))
        for name in ("lines", "money", "mapped_lines", "mapped_money"):
            setattr(total, name, getattr(total, name) + getattr(row, name))
    return sorted(found.values(), key=lambda row: -row.money)


def rule_care(entities: Collection[int]) -> RuleCare:
    """Of all rules in force, company by company. The ids are those of FeeRule and FeeSignature."""
    rules: dict[int, list] = defaultdict(list)
    for row in FeeRule.objects.in_force().filter(entity__in=entities).order_by("pk"):
        rules[row.entity_id].append(as_rule(row))
    fees: dict[int, dict[int, Signature]] = defaultdict(dict)
    for row in FeeSignature.objects.filter(entity__in=entities).order_by("pk"):
        fees[row.entity_id][row.pk] = Signature.of(row)
    found = [look_at_rules(rules[entity], fees[entity]) for entity in rules]
    return RuleCare(
        unused=[rule for care in found for rule in care.unused],
        shadowed=[each for care in found for each in care.shadowed],
        overlaps=[each for care in found for each in care.overlaps],
    )


@dataclass(frozen=True, kw_only=True)
class NewName:
    """A fee that seems to go on under another name. `rule` maps the old one; `account` has the new one, or none yet."""

    pair: Renamed
    old: FeeSignature
    new: FeeSignature
    rule: FeeRule
    account: Account | None

    @property
    def words(self) -> str:
        """The evidence in figures."""
        old, new, currency = self.pair.old, self.pair.new, self.pair.old.currency
        return (
            f"{self.old.amount_description} stopped on {_day(old.last)}, {self.new.amount_description} began on "
            f"{_day(new.first)}. Money per line: {words(old.per_line, currency)} on {old.lines:,} lines before, "
            f"{words(new.per_line, currency)} on {new.lines:,} lines since ({self.pair.differs:+.1%})."
        )


def new_name_of(fee: FeeSignature) -> NewName | None:
    """The fee that this one seems to carry on under its name."""
    kin = FeeSignature.objects.filter(
        entity=fee.entity_id,
        marketplace__iexact=fee.marketplace,
        transaction_type__iexact=fee.transaction_type,
        treatment=fee.treatment,
    )
    return next((found for found in new_names(kin) if found.new == fee), None)


def new_names(fees: QuerySet[FeeSignature]) -> list[NewName]:
    """Among these fees; only those whose new name does not post as the old one did."""
    pairs = renamed(_seen(fees))
    ids = {seen.fee for pair in pairs for seen in (pair.old, pair.new)}
    rows = FeeSignature.objects.in_bulk(ids)
    rules = _rules_by_day(ids)
    found = []
    for pair in pairs:
        before, after = rules(pair.old.fee, pair.old.last), rules(pair.new.fee, pair.new.last)
        if before and (after is None or (before.account, before.tax_class_id) != (after.account, after.tax_class_id)):
            account = after.account if after else None
            found.append(
                NewName(pair=pair, old=rows[pair.old.fee], new=rows[pair.new.fee], rule=before, account=account)
            )
    return found


def _seen(fees: QuerySet[FeeSignature]) -> list[Seen]:
    names = {fee.pk: (fee.entity_id, Signature.of(fee)) for fee in fees}
    cells = RollUp.objects.taken().filter(signature__in=fees).values_list("signature", "version__settlement__currency")
    sums = cells.annotate(first=Min("day"), last=Max("day"), n=Sum("lines"), money=Sum(F("credit") - F("debit")))
    return [
        Seen(
            fee=fee,
            kin=(names[fee][0], names[fee][1].marketplace, names[fee][1].transaction_type, names[fee][1].treatment),
            currency=currency,
            first=first,
            last=last,
            lines=lines,
            money=money,
        )
        for fee, currency, first, last, lines, money in sums
    ]


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _rules_by_day(fees: Collection[int]):
    """A function of (fee, day): the rule that maps it then, or None."""
    rows = Resolution.objects.filter(signature__in=fees).select_related("rule__account", "rule__tax_class")
    by_fee: dict[int, list[Resolution]] = defaultdict(list)
    for row in rows:
        by_fee[row.signature_id].append(row)

    def rule_on(fee: int, day: date) -> FeeRule | None:
        return next((row.rule for row in by_fee[fee] if day in span_of(row.period)), None)

    return rule_on


@dataclass(frozen=True, kw_only=True)
class DearFee:
    """A fee that costs three times as much as it did."""

    fee: FeeSignature
    currency: str
    cost: Dearer

    @property
    def words(self) -> str:
        """The evidence in figures."""
        cost, basis = self.cost, "order item" if self.cost.per_item else "line"
        return (
            f"{words(cost.each, self.currency)} for each {basis}, {words(cost.before, self.currency)} in the median of the "
            f"{cost.settlements_before} settlements before: {cost.times:.1f} times as much."
        )


def dear_fees(entities: Collection[int]) -> list[DearFee]:
    """Fees on expense accounts that cost three times as much in their newest settlement as before; the dearest first."""
    recent = RollUp.objects.taken().filter(version__settlement__entity__in=entities)
    newest = recent.aggregate(end=Max("version__settlement__end_at"))["end"]
    if newest is None:
        return []
    recent = recent.filter(version__settlement__end_at__gte=newest - LOOKED_BACK)
    expense = Resolution.objects.filter(
        signature=OuterRef("signature"), period__contains=OuterRef("day"), rule__account__kind=Account.Kind.EXPENSE
    )
    rows = (
        recent.filter(Exists(expense))
        .values_list(
            "signature",
            "version__settlement__connection",
            "version__settlement__currency",
            "version__settlement__settlement_id",
            "signature__marketplace",
            "signature__transaction_type",
        )
        .annotate(n=Sum("lines"), money=Sum(F("credit") - F("debit")))
        .order_by("version__settlement__end_at", "version__settlement__settlement_id")
    )
    items = _items(recent)
    costs: dict[tuple, list[Cost]] = defaultdict(list)
    for fee, place, currency, settlement, marketplace, kind, lines, money in rows:
        sold = items.get((settlement, clean(marketplace), clean(kind)), 0)
        costs[fee, place, currency].append(Cost(settlement=settlement, money=money, lines=lines, items=sold))
    found = [(key, dearer(of_one[-SETTLEMENTS_COMPARED:])) for key, of_one in costs.items()]
    dear = sorted(((cost, key) for key, cost in found if cost), key=lambda each: (-each[0].times, each[1]))
    fees = FeeSignature.objects.in_bulk([fee for _, (fee, _, _) in dear])
    return [DearFee(fee=fees[fee], currency=currency, cost=cost) for cost, (fee, _, currency) in dear]


def _items(cells: QuerySet[RollUp]) -> dict[tuple[str, str, str], int]:
    """(settlement, marketplace, transaction-type) -> order items: roll-ups know no orders, but each item has one Principal."""
    found: dict[tuple[str, str, str], int] = defaultdict(int)
    principal = cells.filter(
        signature__amount_type__iexact="ItemPrice", signature__amount_description__iexact="Principal"
    )
    rows = principal.values_list(
        "version__settlement__settlement_id", "signature__marketplace", "signature__transaction_type"
    )
    for settlement, marketplace, kind, lines in rows.annotate(n=Sum("lines")):
        found[settlement, clean(marketplace), clean(kind)] += lines
    return found
