"""Evidence of settlement cases for their panels."""

from datetime import date
from decimal import Decimal

from django import template

from apps.settlements import chains, evidence, residual

register = template.Library()
register.simple_tag(evidence.sample_lines)
register.simple_tag(evidence.suggestion)
register.simple_tag(evidence.unequal_orders)
register.simple_tag(evidence.rules_of_class)
register.simple_tag(evidence.has_accounts)
register.simple_tag(evidence.month_lock)
register.simple_tag(evidence.changed_versions)
register.simple_tag(residual.suspects)
register.simple_tag(chains.chain_of)


@register.filter
def iso(text: str) -> date:
    """A day as facts keep it."""
    return date.fromisoformat(text)


@register.filter
def is_zero(amount: str) -> bool:
    """Money as facts keep it."""
    return not Decimal(amount)
