"""Export batches: what left when, its file, who took it, and voiding it."""

from io import BytesIO

from django.db.models import Count, Sum
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from apps.console.deeds import Attempted, attempt, may_not, offer
from apps.console.screens import PAGE, door, page_of, query_without, render_screen, show_in_zone
from apps.console.timeline import history
from apps.core.models import AuditEntry
from apps.core.permissions import EXPORT_JOURNALS, READ_MONEY
from apps.ledger.models import BatchJournal, ExportBatch, JournalLine
from apps.settlements.batch_deeds import VOID
from apps.settlements.exports import download


@door(READ_MONEY)
def exports(request: HttpRequest) -> HttpResponse:
    visible = request.companies.within(ExportBatch.objects.visible_to(request.user))
    after = request.GET.get("after", "")
    rows = visible.filter(pk__lt=int(after)) if after.isdecimal() else visible
    rows = rows.defer("content").select_related("entity", "made_by", "voided_by").annotate(count=Count("journals"))
    shown, more = page_of(rows.order_by("-pk"), PAGE)
    sums: dict[int, list] = {batch.pk: [] for batch in shown}
    lines = JournalLine.objects.filter(journal__batches__batch__in=sums).order_by()
    for pk, *money in lines.values_list("journal__batches__batch", "journal__currency").annotate(Sum("debit")):
        sums[pk].append(money)
    context = {
        "rows": [(batch, sums[batch.pk]) for batch in shown],
        "next": shown[-1].pk if more else "",
        "kept": query_without(request, "after"),
        "several": request.companies.several,
    }
    return render_screen(request, "exports.html", context, partial="rows")


@door(READ_MONEY)
def batch(request: HttpRequest, pk: int) -> HttpResponse:
    found = _seen_by(request, pk)
    voids = request.GET.get("do") == VOID.name and not found.voided_at and not may_not(VOID, found, request.user)
    return _show(request, found, offer(VOID, found, request.user) if voids else None)


@door(EXPORT_JOURNALS, methods=["POST"])
def void(request: HttpRequest, pk: int) -> HttpResponse:
    found = _seen_by(request, pk)
    attempted = attempt(VOID, found, request)
    if attempted.done:
        return redirect("batch", pk=pk)
    return _show(request, found, attempted, status=attempted.status)


@door(READ_MONEY)
def batch_file(request: HttpRequest, pk: int) -> FileResponse:
    """The bytes as they left. Whoever takes them stands in the audit trail."""
    found = _seen_by(request, pk)
    content = BytesIO(download(batch=found, actor=request.user))
    return FileResponse(content, as_attachment=True, filename=found.name, content_type="text/csv; charset=utf-8")


def _seen_by(request: HttpRequest, pk: int) -> ExportBatch:
    visible = ExportBatch.objects.visible_to(request.user).select_related("entity", "made_by", "voided_by")
    found = get_object_or_404(visible, pk=pk)
    show_in_zone(found.entity)
    return found


def _show(
    request: HttpRequest, batch: ExportBatch, attempted: Attempted | None = None, *, status: int = 200
) -> HttpResponse:
    links = BatchJournal.objects.filter(batch=batch).select_related("journal__corrects", "journal__approved_by")
    subject = f"batch:{batch.pk}"
    entries = AuditEntry.objects.about(subject)
    taken = entries.filter(verb="batch.downloaded")
    context = {
        "batch": batch,
        "rows": links.annotate(total=Sum("journal__lines__debit")).order_by("journal__period", "journal__key"),
        "total": entries.get(verb="batch.exported").after["total"],
        "size": len(batch.content),
        "taken": taken.aggregate(times=Count("pk"), people=Count("actor", distinct=True)),
        "last": taken.first(),
        "history": history(subject, batch.entity),
        "subject": subject,
        "attempted": attempted,
        "may_void": not batch.voided_at and not attempted and not may_not(VOID, batch, request.user),
    }
    return render_screen(request, "export.html", context, partial="preview", status=status)
