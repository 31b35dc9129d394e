"""A change of the mapping replayed on the last settlements, or on those of a period. Nothing is written."""

from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from apps.console.case import case_seen_by
from apps.console.middleware import UNPROCESSABLE
from apps.console.rule import rule_seen_by
from apps.console.screens import door, render_screen
from apps.core.errors import Refused
from apps.core.permissions import READ_MONEY, check_may
from apps.settlements.replay import CHANGES, Replay, reading_only
from apps.settlements.replay import replay as replayed
from apps.work.deeds import KINDS, UNSAID

SEEN_BY = {"rule": rule_seen_by, "case": case_seen_by}
LASTS = (5, 10, 20, 50)
MOST = 100  # settlements of a period


class WhichForm(forms.Form):
    """The last so many, or those that ended in a period."""

    last = forms.TypedChoiceField(
        label="The last", choices=[(n, f"{n} settlements") for n in LASTS], coerce=int
    )
    ended_since = forms.DateField(label="Or ended from", required=False, widget=forms.DateInput({"type": "date"}))
    ended_until = forms.DateField(label="until", required=False, widget=forms.DateInput({"type": "date"}))

    def bounds(self) -> dict[str, Any]:
        asked = self.cleaned_data
        since, until = asked["ended_since"], asked["ended_until"]
        return {"last": MOST if since or until else asked["last"], "since": since, "until": until}


@door(READ_MONEY, methods=["POST"])
def replay(request: HttpRequest, kind: str, pk: int, name: str) -> HttpResponse:
    """The form is that of the change itself, as it stands."""
    if (kind, name) not in CHANGES:
        raise Http404(f"nothing to replay called {name}")
    record = SEEN_BY[kind](request, pk)
    doing = KINDS[kind].deeds(record).get(name)
    if doing is None:
        raise Http404(f"no {name} of it")
    check_may(request.user, doing.permission, record.entity)
    said = request.POST.copy()
    said.setdefault("last", str(LASTS[1]))
    which = WhichForm(said)
    said["reason"] = said.get("reason", "").strip() or UNSAID
    found: Replay | None = None
    fault = ""
    with reading_only():
        form = doing.form(record, request.user, said)
        try:
            if which.is_valid() and form.is_valid():
                spans = CHANGES[kind, name](record, request.user, form.cleaned_data)
                found = replayed(record.entity, spans, **which.bounds())
        except Refused as refused:
            fault = refused.words
        faults = [f"{bound.label}: {' '.join(bound.errors)}" for bound in form if bound.errors]
        faults += form.non_field_errors()
    context = {
        "record": record,
        "doing": doing,
        "back": reverse(kind, args=[pk]),
        "which": which,
        "given": [(field, value) for field in form.fields for value in request.POST.getlist(field)],
        "replay": found,
        "lines": sum(each.lines for each in found.found) if found else 0,
        "fault": fault or " ".join(faults),
    }
    return render_screen(request, "replay.html", context, status=200 if found else UNPROCESSABLE)
