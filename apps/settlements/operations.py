"""What people change about the mapping: each verb is atomic, audited, and rebuilds the drafts it touches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models import Sum

from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.ledger.models import Account, TaxClass, TaxCode, TaxRule
from apps.settlements import journals
from apps.settlements.models import FeeRule, RollUp
from apps.settlements.resolutions import as_rule, lock_mapping, matched_by, range_of, resolve, rules_of
from apps.settlements.rules import Rule, Signature, Span

PERSON = "person"


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """A new rule, how many waiting lines it gave an account, and how many settlements' drafts were rebuilt."""

    rule: FeeRule
    lines: int
    settlements: int


def check_open(account: Account) -> None:
    if account.closed_at:
        raise Refused(f"{account} is closed. Choose another one, or reopen it.", field="account", code="account-closed")


def new_rule(
    *,
    entity: Entity,
    pattern: Mapping[str, str],
    since: date,
    account: Account,
    tax_class: TaxClass | None,
    reason: str,
    actor: User,
    rules: Sequence[Rule],
) -> FeeRule:
    """The rule as it would be saved. It ends where a later one of the same pattern begins.

    Refused where a rule of the same pattern is in force already: two accounts for one fee on one day are a mistake.
    """
    check_open(account)
    row = FeeRule(
        entity=entity,
        **pattern,
        period=DateRange(since, None, "[)"),
        account=account,
        tax_class=tax_class,
        source=PERSON,
        reason=reason,
        made_by=actor,
    )
    same = [rule for rule in rules if rule.pattern == Signature.of(row)]
    if any(since in rule.span for rule in same):
        raise Refused(
            "A rule with this very pattern is in force on that day already.", field="since", code="rule-there"
        )
    later = [rule.span.since for rule in same if rule.span.since and rule.span.since > since]
    row.period = range_of(Span(since, min(later, default=None)))
    return row


@transaction.atomic
def map_fee(
    *,
    entity: Entity,
    pattern: Mapping[str, str],
    since: date,
    account: Account,
    tax_class: TaxClass | None,
    reason: str,
    actor: User,
) -> Mapped:
    """Give what the pattern matches an account from a day on. The pattern is a signature's parts, empty for any."""
    lock_mapping(entity.pk)
    row = new_rule(
        entity=entity,
        pattern=pattern,
        since=since,
        account=account,
        tax_class=tax_class,
        reason=reason,
        actor=actor,
        rules=rules_of(entity),
    )
    row.save()
    matched = [found.pk for found in matched_by(entity, as_rule(row))]
    waiting = _waiting(matched)
    changed = resolve(entity, matched)
    versions = [version.pk for version in journals.buildable(entity).filter(rollups__signature__in=changed).distinct()]
    journals.rebuild(versions, because=f"{actor.name} mapped {row} to {account.code}.")
    mapped = Mapped(rule=row, lines=waiting - _waiting(matched), settlements=len(versions))
    AuditEntry.objects.record(
        actor=actor,
        entity=entity,
        verb="fee.mapped",
        subject=f"rule:{row.pk}",
        after={
            **pattern,
            "from": since.isoformat(),
            "account": str(account),
            "tax class": str(tax_class) if tax_class else "no tax on it",
            "lines": mapped.lines,
            "settlements": mapped.settlements,
        },
        reason=reason,
    )
    return mapped


def new_tax_rule(
    *, tax_class: TaxClass, leg: str, tax_code: TaxCode, since: date, actor: User | None = None
) -> TaxRule:
    """The tax rule as it would be saved. It ends where a later one of the same class and leg begins."""
    same = [rule.period for rule in TaxRule.objects.filter(tax_class=tax_class, leg=leg)]
    if any(since in Span(period.lower, period.upper) for period in same):
        raise Refused(f"{tax_class} from {leg} have a tax code on that day already.", field="since", code="rule-there")
    later = [period.lower for period in same if period.lower and period.lower > since]
    period = range_of(Span(since, min(later, default=None)))
    return TaxRule(tax_class=tax_class, leg=leg, tax_code=tax_code, period=period, made_by=actor)


@transaction.atomic
def choose_tax_code(
    *, entity: Entity, tax_class: TaxClass, leg: str, tax_code: TaxCode, since: date, reason: str, actor: User
) -> TaxRule:
    """Tax a class of fees on a leg by a code from a day on, and rebuild the drafts that use the class."""
    lock_mapping(entity.pk)
    row = new_tax_rule(tax_class=tax_class, leg=leg, tax_code=tax_code, since=since, actor=actor)
    row.save()
    journals.rebuild(
        [version.pk for version in journals.using_class(entity, tax_class)],
        because=f"{actor.name} gave {tax_class} from {leg} the tax code {tax_code}.",
    )
    AuditEntry.objects.record(
        actor=actor,
        entity=entity,
        verb="tax-code.chosen",
        subject=f"tax-rule:{row.pk}",
        after={"tax class": str(tax_class), "leg": leg, "tax code": str(tax_code), "from": since.isoformat()},
        reason=reason,
    )
    return row


def _waiting(signature_ids: Sequence[int]) -> int:
    """Lines of these signatures that stand without an account."""
    cells = RollUp.objects.taken().unmapped().filter(signature__in=signature_ids)
    return cells.aggregate(n=Sum("lines"))["n"] or 0
