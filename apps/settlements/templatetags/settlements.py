"""Evidence of settlement cases for their panels."""

from datetime import date

from django import template

from apps.settlements import evidence, residual

register = template.Library()
register.simple_tag(evidence.sample_lines)
register.simple_tag(evidence.suggestion)
register.simple_tag(evidence.unequal_orders)
register.simple_tag(evidence.rules_of_class)
register.simple_tag(evidence.has_accounts)
register.simple_tag(evidence.month_lock)
register.simple_tag(residual.suspects)


@register.filter
def iso(text: str) -> date:
    """A day as facts keep it."""
    return date.fromisoformat(text)
