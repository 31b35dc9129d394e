"""Cases ticked in a queue become somebody's. A few at a time, at once; all that match are a bulk job's."""

from collections import Counter

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from apps.console.middleware import UNPROCESSABLE
from apps.console.queue import address_of, show_queue, team_named
from apps.console.screens import PAGE, door
from apps.core.errors import Refused
from apps.core.models import User
from apps.core.words import counted
from apps.exceptions.models import Case
from apps.exceptions.operations import assign
from apps.work.filters import CaseFilter

DIGITS = 18  # of a case's id at the most


@door(methods=["POST"])
def assign_ticked(request: HttpRequest, team: str) -> HttpResponse:
    """`case` as often as rows are ticked, `to` a person's id, or empty for nobody."""
    asked = CaseFilter.of(request.GET.dict() | {"team": team_named(team).value})
    cases = _ticked(request)
    if not cases:
        return show_queue(request, asked, refused="No case is ticked. Tick some, then assign them.", status=UNPROCESSABLE)
    to = _person(request)
    left: Counter[str] = Counter()
    for case in cases:
        try:
            assign(case=case, actor=request.user, to=to)
        except Refused as refused:
            left[refused.words] += 1
    if done := len(cases) - left.total():
        whose = "yours" if to == request.user else f"{to.name}’s" if to else "nobody’s"
        messages.success(request, f"{counted(done, 'case')} {'is' if done == 1 else 'are'} {whose} now.")
    for words, number in left.items():
        messages.warning(request, f"{counted(number, 'case')} stayed as {'it was' if number == 1 else 'they were'}. {words}")
    return redirect(address_of(asked))


def _ticked(request: HttpRequest) -> list[Case]:
    """The ticked cases of a page, by rank. Raises Http404 for one that the person does not see."""
    ids = set(request.POST.getlist("case"))
    if len(ids) > PAGE or not all(each.isascii() and each.isdecimal() and len(each) <= DIGITS for each in ids):
        raise Http404("no such case")
    cases = list(Case.objects.visible_to(request.user).filter(pk__in=ids).by_rank())
    if len(cases) < len(ids):
        raise Http404("no such case")
    return cases


def _person(request: HttpRequest) -> User | None:
    """Somebody of the companies that are the asker's too: a refusal names them."""
    asked = request.POST.get("to", "")
    if not asked:
        return None
    if not (asked.isascii() and asked.isdecimal() and len(asked) <= DIGITS):
        raise Http404("no such person")
    return get_object_or_404(User.objects.filter(memberships__entity__in=request.companies.all).distinct(), pk=asked)
