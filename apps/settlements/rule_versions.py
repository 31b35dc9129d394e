"""Versions of a mapping rule: changed from a day on, or undone. What was stays on record; a preview comes first.

A version ends where the one that it cuts ended, and is itself bounded by what bounded that one. So the version that another
one cut is always what would map the fees without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange

from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import MAP_FEES, check_may
from apps.exceptions.types import digest
from apps.ledger.models import Account, TaxClass
from apps.settlements import journals
from apps.settlements.comparison import Comparison
from apps.settlements.facts import read
from apps.settlements.models import FeeRule, FeeSignature
from apps.settlements.operations import PERSON, check_open
from apps.settlements.plans import compare, days_of
from apps.settlements.resolutions import as_rule, lock_mapping, matched_by, range_of, resolve, rules_of, settle, span_of
from apps.settlements.rules import FIELDS, Rule, Signature, Span, resolve_spans

NOTHING = DateRange(empty=True)


@dataclass(frozen=True, kw_only=True)
class Step:
    """A new version, not saved yet, and the one that it cuts. `kept`: what stays of that one's period, or None."""

    old: FeeRule
    new: FeeRule
    kept: Span | None


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """What steps would do. `unmapped`: lines that have an account now and would have none. `mapped`: ids of signatures whose
    lines would all have one that have none now.
    """

    comparison: Comparison
    unmapped: int
    mapped: frozenset[int]
    fees: int
    digest: str


def change(
    rule: FeeRule, *, account: Account, tax_class: TaxClass | None, since: date | None, reason: str, actor: User
) -> Step:
    """Another account or tax from a day on; None, or a day before the rule begins, takes its whole place."""
    _check_in_force(rule)
    check_open(account)
    if (account.pk, tax_class and tax_class.pk) == (rule.account_id, rule.tax_class_id):
        raise Refused(f"It maps to {account} with this tax already.", field="account", code="same")
    span = span_of(rule.period)
    if since and span.until and since >= span.until:
        raise Refused(f"It ends before that day: it holds until {span.until:%d.%m.%Y}.", field="since", code="ended")
    kept = Span(span.since, since) if since and since in span and since != span.since else None
    taken = Span(since, span.until) if kept else span
    return Step(old=rule, new=_version(rule, range_of(taken), account, tax_class, reason, actor), kept=kept)


def undo(rule: FeeRule, *, reason: str, actor: User) -> Step:
    """What the rule cut comes back for its days; where it cut nothing, a version without an account takes its place."""
    _check_in_force(rule)
    before = min(rule.cuts.all(), key=lambda cut: cut.pk, default=None)
    if before is None:
        return Step(old=rule, new=_version(rule, NOTHING, None, None, reason, actor), kept=None)
    if before.account.closed_at:
        words = f"It would go back to {before.account}, which is closed. Reopen that account, or change the rule."
        raise Refused(words, code="account-closed")
    new = _version(rule, rule.period, before.account, before.tax_class, reason, actor)
    return Step(old=rule, new=new, kept=None)


def foresee(entity: Entity, steps: Sequence[Step], added: Sequence[FeeRule] = ()) -> Foreseen:
    """Recompute the journals concerned as the new versions, and rules of new patterns, would map them. Saves nothing."""
    settle(entity.pk)
    rules = rules_of(entity)
    spans = spans_after(entity, rules, steps, added)
    versions = list(journals.buildable(entity).filter(rollups__signature__in=spans).distinct())
    facts = read(entity, versions, cuts=days_of(spans))
    before, after = journals.compute(facts), journals.compute(facts, spans=spans)
    cells = [pair for old, new in zip(before, after, strict=True) for pair in zip(old.cells, new.cells, strict=True)]
    return Foreseen(
        comparison=compare(facts, before, after),
        unmapped=sum(now.lines for was, now in cells if was.posting and not now.posting),
        mapped=frozenset({now.cause for was, now in cells if not was.posting})
        - {now.cause for _, now in cells if not now.posting},
        fees=len(spans),
        digest=digest(
            [(step.old.pk, *_rules_after(step)) for step in steps],
            [as_rule(rule) for rule in added],
            rules,
            facts.books,
            facts.locked,
            before,
        ),
    )


def spans_after(
    entity: Entity, rules: Sequence[Rule], steps: Sequence[Step], added: Sequence[FeeRule] = ()
) -> dict[int, list[tuple[Span, Rule]]]:
    """What would map each signature concerned when, of a company with these rules, after the steps and with the added ones."""
    replaced = {step.old.pk for step in steps}
    new = [as_rule(rule) for rule in added]
    later = [rule for rule in rules if rule.id not in replaced]
    later += [*(rule for step in steps for rule in _rules_after(step)), *new]
    fees = {fee.pk: fee for fee in (*_fees_of(steps), *(fee for rule in new for fee in matched_by(entity, rule)))}
    return {pk: resolve_spans(later, Signature.of(fee)) for pk, fee in fees.items()}


@transaction.atomic
def take(entity: Entity, steps: Sequence[Step], *, because: str, added: Sequence[FeeRule] = ()) -> int:
    """Save the new versions, and rules of new patterns, and rebuild the journals that they touch; of how many settlements."""
    lock_mapping(entity.pk)
    fees = {fee.pk for fee in _fees_of(steps)}
    FeeRule.objects.bulk_create(added)
    fees |= {fee.pk for rule in added for fee in matched_by(entity, as_rule(rule))}
    for step in steps:
        step.old.period = range_of(step.kept) if step.kept else NOTHING
        step.new.cut_by_id = step.old.cut_by_id if step.new.account_id else None
    FeeRule.objects.bulk_update([step.old for step in steps], ["period"])
    FeeRule.objects.bulk_create([step.new for step in steps])
    for step in steps:
        step.old.cut_by = step.new
    FeeRule.objects.bulk_update([step.old for step in steps], ["cut_by"])
    changed = resolve(entity, fees)
    versions = [version.pk for version in journals.buildable(entity).filter(rollups__signature__in=changed).distinct()]
    journals.rebuild(versions, because=because)
    return len(versions)


@transaction.atomic
def change_rule(
    *, rule: FeeRule, account: Account, tax_class: TaxClass | None, since: date | None, reason: str, actor: User
) -> FeeRule:
    """Map what the rule maps to another account, or tax it otherwise, from a day on. The new version."""
    rule = _mine(rule, actor)
    step = change(rule, account=account, tax_class=tax_class, since=since, reason=reason, actor=actor)
    before = _said(rule)
    settlements = take(rule.entity, [step], because=f"{actor.name} moved {rule} to {account.code}.")
    _record(step.new, "rule.changed", actor, before, settlements)
    return step.new


@transaction.atomic
def undo_rule(*, rule: FeeRule, reason: str, actor: User) -> FeeRule:
    """Go back to what mapped the fees before this version: the version that says so."""
    rule = _mine(rule, actor)
    step = undo(rule, reason=reason, actor=actor)
    before = _said(rule)
    settlements = take(rule.entity, [step], because=f"{actor.name} undid the mapping of {rule} to {rule.account.code}.")
    _record(step.new, "rule.undone", actor, before, settlements)
    return step.new


def history(rule: FeeRule) -> list[FeeRule]:
    """All versions of the rule's pattern, the newest first."""
    patterns = FeeRule.objects.filter(entity=rule.entity_id).only(*FIELDS)
    same = [row.pk for row in patterns if Signature.of(row) == Signature.of(rule)]
    rows = FeeRule.objects.filter(pk__in=same).select_related("account", "tax_class", "made_by", "cut_by__made_by")
    return list(rows.order_by("-pk"))


def _mine(rule: FeeRule, actor: User) -> FeeRule:
    """The rule as it is now, with nobody else changing it until the transaction ends."""
    lock_mapping(rule.entity_id)
    rule = FeeRule.objects.select_related("entity", "account", "tax_class").get(pk=rule.pk)
    check_may(actor, MAP_FEES, rule.entity)
    return rule


def _check_in_force(rule: FeeRule) -> None:
    if rule.period.isempty:
        raise Refused("This version maps nothing any more: a later one took its place.", code="not-in-force")


def _version(
    rule: FeeRule, period: DateRange, account: Account | None, tax_class: TaxClass | None, reason: str, actor: User
) -> FeeRule:
    return FeeRule(
        entity=rule.entity,
        **{name: getattr(rule, name) for name in FIELDS},
        period=period,
        account=account,
        tax_class=tax_class,
        source=PERSON,
        reason=reason,
        made_by=actor,
    )


def _rules_after(step: Step) -> list[Rule]:
    kept = [replace(as_rule(step.old), span=step.kept)] if step.kept else []
    return kept + ([as_rule(step.new)] if step.new.account_id else [])


def _fees_of(steps: Sequence[Step]) -> list[FeeSignature]:
    """Those that an old version wins on some day. A new one has its pattern and none of another's days: it wins no other."""
    olds = [step.old.pk for step in steps]
    return list(FeeSignature.objects.filter(resolutions__rule__in=olds).distinct().order_by("pk"))


def _said(rule: FeeRule) -> dict[str, str]:
    """A version as the audit keeps it."""
    span = span_of(rule.period)
    return {
        "rule": str(rule),
        "from": span.since.isoformat() if span.since else "",
        "until": span.until.isoformat() if span.until else "",
        "account": str(rule.account) if rule.account else "none",
        "tax class": str(rule.tax_class) if rule.tax_class else "no tax on it",
    }


def _record(new: FeeRule, verb: str, actor: User, before: dict, settlements: int) -> None:
    after = _said(new) | {"settlements": settlements}
    AuditEntry.objects.record(
        actor=actor,
        entity=new.entity,
        verb=verb,
        subject=f"rule:{new.pk}",
        before=before,
        after=after,
        reason=new.reason,
    )
