"""Closing and reopening ledger accounts, and moving the rules that point at one to another."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import F, Min, QuerySet, Sum
from django.db.models.functions import Abs
from django.utils import timezone

from apps.core.errors import Refused
from apps.core.models import AuditEntry, User
from apps.core.permissions import APPLY_CHART, MAP_FEES, Permission, check_may
from apps.exceptions.types import Plan, digest
from apps.ledger.models import Account, Journal, JournalLine, TaxCode
from apps.settlements.models import FeeRule, JournalPart
from apps.settlements.resolutions import lock_mapping, span_of
from apps.settlements.rule_versions import Step, change, take


@dataclass(kw_only=True)
class Waiting:
    """What of an account stands in journals that have not left: {currency: money without sign}, lines, their settlements.

    A settlement: {"settlement_id", "currency", "amount", "payout"}, money as Decimal.
    """

    money: dict[str, Decimal] = field(default_factory=dict)
    lines: int = 0
    settlements: list[dict] = field(default_factory=list)
    first: date | None = None


def pointing_at(accounts: Iterable[Account]) -> QuerySet[FeeRule]:
    """The rules in force that map something to these accounts."""
    return FeeRule.objects.in_force().filter(account__in=accounts).order_by("account__code", "pk")


def still_pointing(closed: Iterable[Account]) -> dict[int, list[FeeRule]]:
    """Id of a closed account -> the rules that map days after its closing to it."""
    found: dict[int, list[FeeRule]] = defaultdict(list)
    for rule in pointing_at(closed).select_related("account__entity"):
        if rule.period.upper is None or rule.period.upper > closed_on(rule.account):
            found[rule.account_id].append(rule)
    return found


def closed_on(account: Account) -> date:
    """The day of its closing in the company's zone."""
    return account.closed_at.astimezone(ZoneInfo(account.entity.zone)).date()


def waiting_on(accounts: Iterable[Account]) -> dict[int, Waiting]:
    """Account id -> what of it stands in journals that are not exported."""
    lines = JournalLine.objects.filter(account__in=accounts).exclude(journal__state=Journal.State.EXPORTED)
    rows = lines.values(
        "account_id",
        settlement_id=F("journal__of_settlement__version__settlement__settlement_id"),
        currency=F("journal__currency"),
        payout=F("journal__of_settlement__version__total"),
    ).annotate(amount=Sum(F("debit") + F("credit")), first=Min("journal__of_settlement__month"))
    found: dict[int, Waiting] = {}
    for row in rows.order_by("account_id", "settlement_id"):
        waiting = found.setdefault(row.pop("account_id"), Waiting())
        first, currency = row.pop("first"), row["currency"]
        waiting.first = min(waiting.first or first, first)
        waiting.money[currency] = waiting.money.get(currency, Decimal(0)) + row["amount"]
        waiting.settlements.append(row)
    parts = JournalPart.objects.filter(journal_line__in=lines).order_by().values_list("journal_line__account_id")
    for account, count in parts.annotate(n=Sum(Abs("lines"))):
        found[account].lines = count
    return found


def why_not_closed(account: Account) -> str:
    """Why this account cannot be closed, or nothing."""
    if account.closed_at:
        return f"{account} is closed already."
    if account.role:
        return f"{account} has the role “{account.get_role_display()}”: journals are built with it, so it stays open."
    if taxing := list(TaxCode.objects.filter(account=account).values_list("name", flat=True)):
        return f"The tax of {' and of '.join(taxing)} is posted to {account}, so it stays open."
    return ""


@transaction.atomic
def close_account(*, account: Account, reason: str, actor: User) -> Account:
    """Post nothing new to an account. What is booked on it stays; what still points at it is a case until it is moved."""
    account = _mine(account, actor, APPLY_CHART)
    if refusal := why_not_closed(account):
        raise Refused(refusal, code="not-closed")
    return _set(account, "account.closed", timezone.now(), reason, actor)


def preview_reopen(account: Account) -> Plan:
    """What reopening it means."""
    return Plan(
        effect=f"Reopen {account.code}",
        says="Fees can be mapped to it again, and journals on it can be approved. No journal changes.",
        digest=digest(account.pk, account.closed_at),
    )


@transaction.atomic
def reopen_account(*, account: Account, reason: str, actor: User) -> Account:
    """Let rules point at the account again."""
    account = _mine(account, actor, APPLY_CHART)
    if not account.closed_at:
        raise Refused(f"{account} is open.", code="open")
    return _set(account, "account.reopened", None, reason, actor)


def moved(account: Account, *, to: Account, since: date | None, reason: str, actor: User) -> list[Step]:
    """A new version of each rule that points at the account on `since` or later (None: on any day). Its tax stays."""
    rules = pointing_at([account]).select_related("entity", "account", "tax_class")
    ended = [rule for rule in rules if since and (until := span_of(rule.period).until) and until <= since]
    steps = [
        change(rule, account=to, tax_class=rule.tax_class, since=since, reason=reason, actor=actor)
        for rule in rules
        if rule not in ended
    ]
    if not steps:
        raise Refused(f"No rule points at {account} from that day on.", field="since", code="none")
    return steps


@transaction.atomic
def move_rules(*, account: Account, to: Account, since: date | None, reason: str, actor: User) -> list[FeeRule]:
    """Point the account's rules at another one from a day on: their new versions."""
    account = _mine(account, actor, MAP_FEES)
    steps = moved(account, to=to, since=since, reason=reason, actor=actor)
    take(account.entity, steps, because=f"{actor.name} moved the rules of {account.code} to {to.code}.")
    AuditEntry.objects.record_all(
        AuditEntry(
            actor=actor,
            actor_name=actor.name,
            entity=account.entity,
            verb="rule.changed",
            subject=f"rule:{step.new.pk}",
            before={"rule": str(step.old), "account": str(account)},
            after={"account": str(to), "from": since.isoformat() if since else ""},
            reason=reason,
        )
        for step in steps
    )
    return [step.new for step in steps]


def _mine(account: Account, actor: User, permission: Permission) -> Account:
    lock_mapping(account.entity_id)
    account = Account.objects.select_related("entity").get(pk=account.pk)
    check_may(actor, permission, account.entity)
    return account


def _set(account: Account, verb: str, closed_at, reason: str, actor: User) -> Account:
    account.closed_at = closed_at
    account.save(update_fields=["closed_at"])
    AuditEntry.objects.record(
        actor=actor,
        entity=account.entity,
        verb=verb,
        subject=f"account:{account.pk}",
        after={"account": str(account)},
        reason=reason,
    )
    return account
