"""Evidence of the cases of feeds for their pages."""

from django import template

from apps.integrations.models import SyncRun

register = template.Library()


@register.filter
def is_kept(run: int) -> bool:
    """Whether the run with this number is still there: a case that ended may outlast it."""
    return SyncRun.objects.filter(pk=run).exists()
