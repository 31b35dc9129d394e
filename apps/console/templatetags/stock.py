"""Units as people read them: a figure that Amazon did not report says so."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.money import MINUS

register = template.Library()


@register.filter
def units(count: int | None) -> str | SafeString:
    if count is None:
        return SafeString('<span class="mark unknown">Not known</span>')
    return f"{count:,}".replace("-", MINUS)


@register.filter
def change(count: int) -> SafeString:
    return format_html("{}{}", "+" if count > 0 else "", units(count))
