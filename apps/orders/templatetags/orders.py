from datetime import datetime

from django import template

from apps.exceptions.models import Case
from apps.orders.exception_types import late

register = template.Library()


@register.filter
def moment(text: str) -> datetime:
    """An instant as facts keep it."""
    return datetime.fromisoformat(text)


@register.simple_tag
def waited_on(case: Case) -> Case | None:
    return late.waited_on(case)
