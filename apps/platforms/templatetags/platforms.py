from django import template
from django.db.models import OuterRef, Prefetch, QuerySet, Subquery

from apps.exceptions.models import Case
from apps.platforms.models import FailedRecord, Retry

register = template.Library()

SHOWN = 50


@register.simple_tag
def records_of(case: Case) -> QuerySet[FailedRecord]:
    """Those of its cause, the open ones first, each with its newest retry in `asked`; of an ended case those that ended."""
    found = FailedRecord.objects.filter(connection=case.facts["connection_id"], cause=case.subject)
    if case.is_live:
        found = found.filter(state__in=FailedRecord.OPEN)
    newest = Retry.objects.filter(record=OuterRef("record")).order_by("-number").values("pk")[:1]
    asked = Prefetch("retries", Retry.objects.filter(pk=Subquery(newest)).select_related("asked_by"), to_attr="asked")
    return found.prefetch_related(asked).order_by("-failed_at", "-pk")[:SHOWN]
