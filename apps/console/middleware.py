"""Refusals become pages in words, at the one edge where every request passes."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused

NOT_ALLOWED, CONFLICT, UNPROCESSABLE = 403, 409, 422


class RefusalsInWords:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # A view sets the company's zone for its thread; the next request of the thread starts without it.
        with timezone.override(None):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, Refused):
            return None
        status = NOT_ALLOWED if isinstance(error, NotAllowed) else UNPROCESSABLE
        context = {"words": error.words, "code": error.code, "status": status, "path": request.path}
        if request.htmx and not request.htmx.boosted:
            note = render(request, "parts/refusal.html", context, status=status)
            note["HX-Retarget"] = "#notices"
            note["HX-Reswap"] = "innerHTML"
            return note
        return render(request, "refused.html", context, status=status)
