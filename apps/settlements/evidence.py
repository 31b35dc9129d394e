"""What a case's panel shows beside its facts, looked up when it is displayed."""

from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from apps.exceptions.models import Case
from apps.ledger.models import Account, PeriodLock
from apps.settlements.differences import Difference, difference
from apps.settlements.models import FeeRule, FeeSignature, SettlementLine, SettlementVersion
from apps.settlements.suggestions import Suggestion, suggest

LINES_SHOWN = 4
ORDERS_SHOWN = 20

UNEQUAL_ORDERS = """
    SELECT line.order_id, line.order_item_code,
           sum(line.amount) FILTER (WHERE signature.amount_type NOT ILIKE '%%withheld%%'),
           sum(line.amount) FILTER (WHERE signature.amount_type ILIKE '%%withheld%%'),
           min(line.line)
    FROM settlements_settlementline line
    JOIN settlements_feesignature signature ON signature.id = line.signature_id
    WHERE line.version_id = %(version)s AND line.signature_id IN (
        SELECT resolution.signature_id
        FROM settlements_resolution resolution
        JOIN settlements_feerule rule ON rule.id = resolution.rule_id
        JOIN ledger_account account ON account.id = rule.account_id AND account.role = 'facilitator'
        WHERE account.entity_id = %(entity)s)
    GROUP BY line.order_id, line.order_item_code
    HAVING sum(line.amount) <> 0
    ORDER BY abs(sum(line.amount)) DESC, line.order_id
    LIMIT %(shown)s
"""


@dataclass(frozen=True, kw_only=True)
class UnequalOrder:
    """Tax of one order item on the facilitator account, collected and withheld, and the first of its lines."""

    order_id: str
    item: str
    collected: Decimal
    withheld: Decimal
    line: int

    @property
    def rest(self) -> Decimal:
        return self.collected + self.withheld


@dataclass(frozen=True, kw_only=True)
class Versions:
    """The versions of a changed settlement, the oldest first, and what differs between the one that counts and the newest."""

    versions: list[SettlementVersion]
    difference: Difference | None

    @property
    def none_ties(self) -> bool:
        return all(version.difference for version in self.versions)


def sample_lines(case: Case) -> list[SettlementLine]:
    """The first raw lines of the fee that a case is about, in the newest settlement that has it."""
    newest = case.facts["settlements"][-1]["settlement_id"]
    version = _taken(newest)
    if version is None:
        return []
    lines = SettlementLine.objects.filter(version=version, signature=case.facts["signature_id"])
    return list(lines.select_related("version__settlement").order_by("line")[:LINES_SHOWN])


def suggestion(case: Case) -> Suggestion | None:
    return suggest(FeeSignature.objects.get(pk=case.facts["signature_id"]), case.currency)


def unequal_orders(case: Case) -> list[UnequalOrder]:
    """The order items of a settlement whose tax and withheld tax differ, the largest rest first."""
    version = _taken(case.subject)
    if version is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(UNEQUAL_ORDERS, {"version": version.pk, "entity": case.entity_id, "shown": ORDERS_SHOWN})
        return [
            UnequalOrder(
                order_id=order, item=item, collected=collected or Decimal(0), withheld=withheld or Decimal(0), line=line
            )
            for order, item, collected, withheld, line in cursor.fetchall()
        ]


def rules_of_class(case: Case) -> list[FeeRule]:
    """The rules that tax by the class that a case is about."""
    return list(
        FeeRule.objects.in_force()
        .filter(entity=case.entity_id, tax_class=case.facts["tax_class_id"])
        .select_related("account")
        .order_by("pk")
    )


def month_lock(case: Case) -> PeriodLock | None:
    """The lock on the month that a case is about, as it is now."""
    locks = PeriodLock.objects.filter(entity=case.entity_id, month=case.facts["month"], unlocked_at=None)
    return locks.select_related("locked_by", "unlock_asked_by").first()


def has_accounts(case: Case) -> bool:
    return Account.objects.filter(entity=case.entity_id).exists()


def versions_to_choose(case: Case) -> list[SettlementVersion]:
    """The version that is taken and those that wait, the oldest first."""
    return [version for version in _versions(case) if version.state != SettlementVersion.State.SUPERSEDED]


def changed_versions(case: Case) -> Versions:
    """What there is to choose from; once that is over, all there was."""
    versions = _versions(case)
    by_number = {version.number: version for version in versions}
    kept, newest = by_number.get(case.facts.get("kept", {}).get("version")), by_number.get(case.facts["version"])
    return Versions(
        versions=versions_to_choose(case) if case.is_live else versions,
        difference=difference(kept, newest) if kept and newest else None,
    )


def _versions(case: Case) -> list[SettlementVersion]:
    found = SettlementVersion.objects.filter(settlement__settlement_id=case.subject, settlement__entity=case.entity_id)
    return list(found.select_related("settlement", "file__received_by"))


def _taken(settlement_id: str) -> SettlementVersion | None:
    return SettlementVersion.objects.filter(
        settlement__settlement_id=settlement_id, state=SettlementVersion.State.TAKEN
    ).first()
