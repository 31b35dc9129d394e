"""Which rule maps which signature when, recomputed for just the signatures that a change touches."""

from collections.abc import Collection
from dataclasses import astuple

from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import DateRange

from apps.core.locks import wait_for
from apps.core.models import Entity
from apps.settlements.models import FeeRule, FeeSignature, Resolution
from apps.settlements.rules import ENDING, Rule, Signature, Span, matches, resolve_spans


def lock_mapping(entity_id: int) -> None:
    """Wait for the right to change the company's mapping or what is built from it, until the end of the transaction.

    Without it, a rule saved while a file is read would miss the file's new signatures, and the file the rule.
    """
    wait_for(f"mapping of {entity_id}")


def settle(entity_id: int) -> None:
    """Where a plan is made to be done: nothing changes any more between it and the deed. A preview waits for nobody."""
    if connection.in_atomic_block:
        lock_mapping(entity_id)


def span_of(period: DateRange) -> Span:
    return Span(period.lower, period.upper)


def range_of(span: Span) -> DateRange:
    return DateRange(span.since, span.until, "[)")


def rules_of(entity: Entity) -> list[Rule]:
    """The company's mapping rules as apps.settlements.rules compares them."""
    return [as_rule(row) for row in FeeRule.objects.in_force().filter(entity=entity)]


def as_rule(row: FeeRule) -> Rule:
    return Rule(row.pk or 0, Signature.of(row), span_of(row.period), row.account_id, row.tax_class_id)


def matched_by(entity: Entity, rule: Rule) -> list[FeeSignature]:
    """The company's signatures that the rule's pattern matches, whether or not another rule wins."""
    near = FeeSignature.objects.filter(entity=entity)
    for part in astuple(rule.pattern):
        near = near.filter(key__contains=part.removesuffix(ENDING))
    return [row for row in near.order_by("pk") if matches(rule.pattern, Signature.of(row))]


@transaction.atomic
def resolve(entity: Entity, signature_ids: Collection[int] | None) -> set[int]:
    """Make the resolutions of these signatures (None: of all) what the rules say; returns those that changed."""
    lock_mapping(entity.pk)
    signatures = FeeSignature.objects.filter(entity=entity)
    existing = Resolution.objects.filter(signature__entity=entity)
    if signature_ids is not None:
        signatures = signatures.filter(pk__in=signature_ids)
        existing = existing.filter(signature__in=signature_ids)
    rules = rules_of(entity)
    wanted = {
        (signature.pk, span, rule.id)
        for signature in signatures
        for span, rule in resolve_spans(rules, Signature.of(signature))
    }
    found = {(row.signature_id, span_of(row.period), row.rule_id): row.pk for row in existing}
    Resolution.objects.filter(pk__in=[found[key] for key in found.keys() - wanted]).delete()
    Resolution.objects.bulk_create(
        Resolution(signature_id=signature, period=range_of(span), rule_id=rule)
        for signature, span, rule in sorted(wanted - found.keys(), key=repr)
    )
    return {signature for signature, _, _ in wanted ^ found.keys()}
