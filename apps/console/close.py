"""Month close: every company's months, one month with what it still needs and its lock, and the one-person setting."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from apps.console import months
from apps.console.deeds import Attempted, attempt, may_not, named, offer
from apps.console.downloads import fall_file
from apps.console.months import Month
from apps.console.screens import door, query_without, render_screen, show_in_zone
from apps.core.models import AuditEntry, Entity, User
from apps.core.operations import set_one_person
from apps.core.permissions import CONFIRM_UNLOCK, LOCK_PERIODS, READ_MONEY, SET_ONE_PERSON
from apps.exceptions.forms import NoForm, ReasonForm
from apps.exceptions.types import Plan, digest
from apps.settlements import causes, closing
from apps.work.deeds import Deed

MONTHS_SHOWN = 24
CASES_SHOWN = 12


@dataclass
class Subject:
    """What a deed of these screens is about: a company, and most often a month of it."""

    entity: Entity
    month: date | None = None

    @property
    def entity_id(self) -> int:
        return self.entity.pk

    def refresh_from_db(self) -> None:
        self.entity.refresh_from_db()


def _of_month(verb: Any) -> Any:
    return lambda subject, actor, cleaned: verb(entity=subject.entity, month=subject.month)


def _run(verb: Any, did: str) -> Any:
    def run(subject: Subject, actor: User, cleaned: dict[str, Any]) -> str:
        verb(entity=subject.entity, month=subject.month, actor=actor, **cleaned)
        return did.format(f"{subject.month:%B %Y}")

    return run


LOCK = Deed(
    name="lock",
    label="Lock the month",
    permission=LOCK_PERIODS,
    form=NoForm,
    preview=_of_month(closing.preview_lock),
    run=_run(closing.lock, "{} is locked."),
    clears=causes.MONTHS,
    template="cases/lock_plan.html",
)
ASK = Deed(
    name="ask",
    label="Ask to unlock the month",
    permission=LOCK_PERIODS,
    form=ReasonForm,
    preview=_of_month(closing.preview_ask),
    run=_run(closing.ask_to_unlock, "Asked. Another person may unlock {} now."),
)
WITHDRAW = Deed(
    name="withdraw",
    label="Keep it locked",
    permission=LOCK_PERIODS,
    form=NoForm,
    preview=_of_month(closing.preview_withdraw),
    run=_run(closing.withdraw_request, "{} stays locked."),
)
UNLOCK = Deed(
    name="unlock",
    label="Unlock the month",
    permission=CONFIRM_UNLOCK,
    form=NoForm,
    preview=lambda subject, actor, cleaned: closing.preview_unlock(
        entity=subject.entity, month=subject.month, actor=actor
    ),
    run=_run(closing.unlock, "{} is unlocked."),
    clears=causes.MONTHS,
)
DEEDS = {deed.name: deed for deed in (LOCK, ASK, UNLOCK, WITHDRAW)}

ONE = "Whoever changed a mapping may approve the journals it is in."
TWO = "Another person approves what somebody mapped."


def _preview_setting(subject: Subject, actor: User, cleaned: dict[str, Any]) -> Plan:
    on = subject.entity.one_person
    return Plan(
        effect="Ask for a second person again" if on else "Let one person map and approve",
        says="Holds from the next approval on. What is approved stays approved.",
        digest=digest(subject.entity_id, on),
        detail={"now": ONE if on else TWO, "then": TWO if on else ONE},
    )


def _run_setting(subject: Subject, actor: User, cleaned: dict[str, Any]) -> str:
    entity = set_one_person(entity=subject.entity, on=not subject.entity.one_person, actor=actor, **cleaned)
    return f"The one-person setting of {entity.name} is {'on' if entity.one_person else 'off'}."


ONE_PERSON = Deed(
    name="one-person",
    label="Change the one-person setting",
    permission=SET_ONE_PERSON,
    form=ReasonForm,
    preview=_preview_setting,
    run=_run_setting,
)


@door(READ_MONEY)
def close(request: HttpRequest) -> HttpResponse:
    """Every company's months; the heading is about the oldest one that is over and not locked."""
    companies = [entity for entity in request.companies.shown if request.user.may(READ_MONEY, entity.pk)]
    before = request.GET.get("before", "")
    all_of_them = months.months_of(companies)
    listed = [month for month in all_of_them if not before or f"{month:%Y-%m}" < before]
    rows = months.read(companies, listed[:MONTHS_SHOWN])
    to_close = min((row for row in rows if row.is_over and not row.lock), key=lambda row: row.first, default=None)
    context = {
        "rows": rows,
        "companies": companies,
        "several": request.companies.several,
        "to_close": to_close,
        "finding": to_close and to_close.finding(months.held_back_by(to_close, request.user).count()),
        "next": f"{listed[MONTHS_SHOWN - 1]:%Y-%m}" if len(listed) > MONTHS_SHOWN else "",
        "kept": query_without(request, "before"),
    }
    return render_screen(request, "close.html", context)


@door(READ_MONEY, methods=["GET", "POST"])
def close_month(request: HttpRequest, entity: int, month: str) -> HttpResponse:
    """One month of a company. With ?do= the deed of that name; without, the one that fits the month."""
    subject = Subject(_company(request, entity), _month(month))
    shown = _read(subject)
    fitting = _fitting(shown, request.user)
    name = request.GET.get("do", fitting[0].name)
    deed, here = named(DEEDS, name), reverse("close_month", args=[entity, month])
    if request.method == "POST":
        attempted = attempt(deed, subject, request)
        if attempted.done:
            return redirect(here)
    else:
        attempted = None if may_not(deed, subject, request.user) else offer(deed, subject, request.user)
    held_back = list(months.held_back_by(shown, request.user)[: CASES_SHOWN + 1])
    context = {
        "month": shown,
        "finding": shown.finding(len(held_back)),
        "cases": held_back[:CASES_SHOWN],
        "more": len(held_back) > CASES_SHOWN,
        "balances": months.balances(shown),
        "falls": months.falls(shown),
        "fall_file": reverse("month_fall", args=[entity, month]),
        "history": months.locks([subject.entity], [subject.month]),
        "subject": closing.subject_of(subject.entity, subject.month),
        **_offered(request, deed, subject, attempted, f"{here}?do={name}"),
        "others": [(other.name, other.label) for other in fitting if other != deed],
    }
    return _answer(request, "close_month.html", context, attempted)


@door(READ_MONEY)
def month_fall(request: HttpRequest, entity: int, month: str) -> FileResponse:
    """From sales to the net of the month, by account."""
    subject = Subject(_company(request, entity), _month(month))
    return fall_file(f"month-{month}.csv", months.falls(_read(subject)))


@door(READ_MONEY, methods=["GET", "POST"])
def one_person(request: HttpRequest, entity: int) -> HttpResponse:
    """Whether one person may map and approve at a company: what it means, who set it, changing it."""
    subject = Subject(_company(request, entity))
    if request.method == "POST":
        attempted = attempt(ONE_PERSON, subject, request)
        if attempted.done:
            return redirect("one_person", entity=entity)
    else:
        attempted = None if may_not(ONE_PERSON, subject, request.user) else offer(ONE_PERSON, subject, request.user)
    changes = AuditEntry.objects.about(f"entity:{entity}").filter(verb="entity.one-person")
    context = {
        "company": subject.entity,
        "means": ONE if subject.entity.one_person else TWO,
        "changes": changes.order_by("-pk")[:CASES_SHOWN],
        **_offered(request, ONE_PERSON, subject, attempted, request.path),
    }
    return _answer(request, "one_person.html", context, attempted)


def _fitting(month: Month, person: User) -> list[Deed]:
    """What can be done to the month as it stands, the likeliest first."""
    if month.lock is None:
        return [LOCK]
    if month.lock.unlock_asked_by is None:
        return [ASK]
    return [WITHDRAW, UNLOCK] if month.lock.unlock_asked_by == person else [UNLOCK, WITHDRAW]


def _offered(
    request: HttpRequest, deed: Deed, subject: Subject, attempted: Attempted | None, action: str
) -> dict[str, Any]:
    return {"deed": deed, "attempted": attempted, "may_not": may_not(deed, subject, request.user), "action": action}


def _answer(request: HttpRequest, template: str, context: dict, attempted: Attempted | None) -> HttpResponse:
    status = attempted.status if attempted and request.method == "POST" else 200
    return render_screen(request, template, context, partial="preview", status=status)


def _read(subject: Subject) -> Month:
    return next(iter(months.read([subject.entity], [subject.month])), Month(subject.entity, subject.month))


def _company(request: HttpRequest, pk: int) -> Entity:
    found = get_object_or_404(Entity, pk=pk, pk__in=request.user.entities_where(READ_MONEY))
    show_in_zone(found)
    return found


def _month(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m").date()
    except ValueError:
        raise Http404(f"no month {text}") from None
