"""Background work: what runs, what failed, and for one job its progress, what it found, and running it again."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from apps.console.screens import PAGE, door, page_of, query_without, render_screen, show_in_zone
from apps.core.models import User
from apps.core.permissions import READ_JOBS, READ_MONEY, RUN_JOBS
from apps.integrations import jobs, operations
from apps.integrations.models import Job, JobState
from apps.integrations.runs import KIND as SYNC
from apps.work.alerts.outbox import SEND

MOVES = {  # name -> label, operation, states it is offered in, words afterwards
    "run-again": ("Run it again", operations.run_again, operations.CAN_RUN_AGAIN, "A worker starts it again."),
    "stop": ("Stop it", operations.stop, operations.CAN_STOP, "Stopped. Nothing of it was kept."),
}
VIEWS = {
    "all": ("All", JobState.values),
    "under-way": ("Under way", (JobState.WAITING, JobState.RUNNING)),
    "troubled": ("Failed or stuck", jobs.TROUBLED),
}


@door(READ_JOBS)
def job_list(request: HttpRequest) -> HttpResponse:
    view = request.GET.get("view", "all")
    view = view if view in VIEWS else "all"
    visible = Job.objects.visible_to(request.user)
    mine = visible.exclude(kind=SYNC).exclude(kind=SEND, state=JobState.DONE)  # on screens of their own
    rows = request.companies.within(mine).filter(state__in=VIEWS[view][1])
    after = request.GET.get("after", "")
    if after.isdecimal():
        rows = rows.filter(pk__lt=int(after))
    shown, more = page_of(rows.select_related("entity", "file", "asked_by").order_by("-pk"), PAGE)
    context = {
        "views": [(name, label) for name, (label, _) in VIEWS.items()],
        "view": view,
        "rows": [(job, jobs.title(job)) for job in shown],
        "next": shown[-1].pk if more else "",
        "kept": query_without(request, "after"),
        "several": request.companies.several,
    }
    return render_screen(request, "jobs.html", context)


@door(READ_JOBS)
def job(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks again every second until the job has ended."""
    visible = Job.objects.visible_to(request.user).select_related("entity", "file__connection", "asked_by")
    found = get_object_or_404(visible, pk=pk)
    if found.entity:
        show_in_zone(found.entity)
    context = {
        "job": found,
        "title": jobs.title(found),
        "under_way": found.state in (JobState.WAITING, JobState.RUNNING),
        "attempts": list(found.attempts.all()),
        "moves": _moves(found, request.user),
        "reads_money": bool(found.entity_id) and request.user.may(READ_MONEY, found.entity_id),
    }
    return render_screen(request, "job.html", context, partial="progress")


@door(RUN_JOBS, methods=["POST"])
def job_move(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Run again, or stop. What cannot be done any more is refused in words."""
    if name not in MOVES:
        raise Http404(f"no move {name}")
    found = get_object_or_404(Job.objects.visible_to(request.user), pk=pk)
    _, operate, _, said = MOVES[name]
    operate(job=found, actor=request.user)
    messages.success(request, said)
    return redirect("job", pk=pk)


def _moves(job: Job, person: User) -> list[tuple[str, str]]:
    """(name, label) of what this person may do to the job as it is now."""
    may = person.may(RUN_JOBS, job.entity_id) if job.entity_id else person.may_anywhere(RUN_JOBS)
    return [(name, label) for name, (label, _, states, _) in MOVES.items() if may and job.state in states]
