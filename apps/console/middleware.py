"""Refusals become pages in words, at the one edge where every request passes; and sessions leave a mark that they are used."""

from collections.abc import Callable

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils import timezone

from apps.console.denials import METHOD, denied
from apps.core import sign_ins
from apps.core.errors import NotAllowed, Refused

NOT_ALLOWED, CONFLICT, UNPROCESSABLE = 403, 409, 422


class RefusalsInWords:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # A view sets the company's zone for its thread; the next request of the thread starts without it.
        with timezone.override(None):
            response = self.get_response(request)
            if isinstance(response, HttpResponseNotAllowed):
                page = denied(request, METHOD)
                page["Allow"] = response["Allow"]
                return page
            return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, Refused):
            return None
        status = NOT_ALLOWED if isinstance(error, NotAllowed) else UNPROCESSABLE
        return denied(request, status, error.words, code=error.code)


class SignInsNoted:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if SESSION_KEY in request.session and request.user.is_authenticated:
            sign_ins.note(request)
        return self.get_response(request)
