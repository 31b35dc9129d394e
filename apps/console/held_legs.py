"""A file of order legs that waits: what it would change where something was approved or has left, and the decision."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from apps.console.deeds import Attempted, attempt, may_not, named, offer
from apps.console.screens import PAGE, door, render_screen, show_in_zone
from apps.core.models import AuditEntry, User
from apps.core.permissions import MAP_FEES, READ_MONEY
from apps.exceptions.forms import ReasonForm
from apps.exceptions.types import Plan, digest
from apps.settlements import causes
from apps.settlements.leg_changes import LEGS, load_held, preview_load, put_away
from apps.settlements.models import FileReading
from apps.work.deeds import Deed

Status = FileReading.Status


def _preview_load(reading: FileReading, actor: User, cleaned: dict[str, Any]) -> Plan:
    return preview_load(reading)


def _run_load(reading: FileReading, actor: User, cleaned: dict[str, Any]) -> str:
    return f"Loaded. {load_held(reading=reading, reason=cleaned['reason'], actor=actor).words}"


def _preview_put_away(reading: FileReading, actor: User, cleaned: dict[str, Any]) -> Plan:
    return Plan(
        effect="Put the file away",
        says="No journal changes. The file stays stored; uploaded again, it is looked at again.",
        digest=digest(reading.pk, reading.status),
    )


def _run_put_away(reading: FileReading, actor: User, cleaned: dict[str, Any]) -> str:
    put_away(reading=reading, reason=cleaned["reason"], actor=actor)
    return "Put away. No journal was changed."


LOAD = Deed(
    name="load",
    label="Load the legs",
    permission=MAP_FEES,
    form=ReasonForm,
    preview=_preview_load,
    run=_run_load,
    clears=causes.JOURNALS,
    template="cases/legs_plan.html",
)
PUT_AWAY = Deed(
    name="put-away",
    label="Put the file away",
    permission=MAP_FEES,
    form=ReasonForm,
    preview=_preview_put_away,
    run=_run_put_away,
)
DEEDS = {deed.name: deed for deed in (LOAD, PUT_AWAY)}


@door(READ_MONEY)
def held_legs(request: HttpRequest, pk: int) -> HttpResponse:
    """?do=put-away chooses the other deed."""
    reading = _seen_by(request, pk)
    deed = DEEDS.get(request.GET.get("do", ""), LOAD)
    able = reading.status == Status.HELD and not may_not(deed, reading, request.user)
    return _show(request, reading, offer(deed, reading, request.user) if able else None)


@door(READ_MONEY, methods=["POST"])
def held_legs_do(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Preview the deed, or do it if it still matches the preview."""
    reading = _seen_by(request, pk)
    attempted = attempt(named(DEEDS, name), reading, request)
    if attempted.done:
        return redirect("held_legs", pk=pk)
    return _show(request, reading, attempted)


def _seen_by(request: HttpRequest, pk: int) -> FileReading:
    mine = FileReading.objects.filter(
        reason=LEGS, file__connection__entity_id__in=request.user.entities_where(READ_MONEY)
    )
    found = get_object_or_404(mine.select_related("file__connection__entity", "file__received_by"), pk=pk)
    show_in_zone(found.entity)
    return found


def _show(request: HttpRequest, reading: FileReading, attempted: Attempted | None) -> HttpResponse:
    chosen = attempted.deed if attempted else LOAD
    context = {
        "reading": reading,
        "attempted": attempted,
        "others": [(deed.name, deed.label) for deed in DEEDS.values() if deed != chosen] if attempted else [],
        "may_not": may_not(LOAD, reading, request.user) if reading.status == Status.HELD else "",
        "history": AuditEntry.objects.about(f"file:{reading.file_id}")[:PAGE],
    }
    status = attempted.status if attempted else 200
    return render_screen(request, "held_legs.html", context, partial="preview", status=status)
