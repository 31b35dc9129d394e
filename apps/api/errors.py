"""Every error has one shape: RFC 9457's problem details, with a code for programs and words for people."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions, serializers
from rest_framework.response import Response
from rest_framework.settings import api_settings

from apps.api.parsing import TooLarge
from apps.api.plans import PlanOut
from apps.core.errors import NotAllowed, Refused
from apps.exceptions.operations import InvalidForm, PlanChanged
from apps.exceptions.weighing import NeedsSecondPerson

PROBLEM = "application/problem+json"
PREFIX = "/api/"
CONFLICTS = {"plan-changed", "in-flight"}  # the same request may do later, or after another look
INVALID = "What you sent has a fault. Nothing was changed."
HOW_TO_PROPOSE = "Send the same to “propose” beside it, and another person approves it on the same preview."
NOTHING_HERE = (
    "There is nothing at this address, or it belongs to a company or queue that you do not read. Addresses end in a slash."
)


class Problem(serializers.Serializer):
    """What every answer from 400 on is."""

    title = serializers.CharField(help_text="The status in words")
    status = serializers.IntegerField(help_text="The HTTP status once more")
    code = serializers.CharField(help_text="A stable name of what is wrong, for programs")
    detail = serializers.CharField(help_text="What is wrong, in words for people")
    fields = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="Words for each field that has a fault, by its name; empty where no field is to blame",
    )
    plan = PlanOut(required=False, help_text="With plan-changed and needs-second-person: what it would do now")


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's EXCEPTION_HANDLER. None for a bug of ours: Django reports it and `server_error` answers."""
    if isinstance(error, Refused):
        return _refused(error)
    if isinstance(error, Http404):
        error = exceptions.NotFound(NOTHING_HERE)
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, RequestDataTooBig):
        error = TooLarge()
    elif isinstance(error, SuspiciousOperation):  # more fields than Django reads
        error = exceptions.ParseError()
    if not isinstance(error, exceptions.APIException):
        return None
    if isinstance(error, exceptions.ValidationError):
        return _problem(422, "invalid", INVALID, fields=_fields(error.detail))
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(error.wait)
    code = str(error.get_codes()).replace("_", "-")
    return _problem(error.status_code, code, str(error.detail), headers=headers)


def server_error(request: HttpRequest) -> HttpResponse:
    """For Django's handler500. Asks the database nothing."""
    words = "This is a fault of ours. It was reported. Nothing was changed, and you may try again."
    body = _body(500, "internal", words)
    return JsonResponse(body, status=500, content_type=PROBLEM)


def _refused(error: Refused) -> Response:
    if isinstance(error, NotAllowed):
        return _problem(403, error.code, error.words)
    if isinstance(error, PlanChanged):
        return _problem(409, error.code, error.words, plan=PlanOut(error.plan).data)
    if isinstance(error, NeedsSecondPerson):
        return _problem(422, error.code, f"{error.words} {HOW_TO_PROPOSE}", plan=PlanOut(error.plan).data)
    if isinstance(error, InvalidForm):
        return _problem(422, error.code, error.words, fields=faults_of(error.form))
    status = 409 if error.code in CONFLICTS else 422
    return _problem(status, error.code, error.words, fields={error.field: [error.words]} if error.field else {})


def faults_of(form: Any) -> dict[str, list[str]]:
    """The words beside each field of a form; "" is the form as a whole."""
    return {"" if name == "__all__" else name: [str(words) for words in faults] for name, faults in form.errors.items()}


def _problem(status: int, code: str, words: str, *, headers: dict | None = None, **more: Any) -> Response:
    return Response(_body(status, code, words, **more), status, headers=headers, content_type=PROBLEM)


def _body(status: int, code: str, words: str, **more: Any) -> dict[str, Any]:
    return {
        "title": HTTPStatus(status).phrase, "status": status, "code": code, "detail": words, "fields": {}
    } | more


def _fields(detail: Any, path: str = "") -> dict[str, list[str]]:
    """REST framework's nested faults as one level: "data.since", "journals.0"."""
    if isinstance(detail, dict):
        pairs = detail.items()
    elif isinstance(detail, list) and any(isinstance(each, dict | list) for each in detail):
        pairs = enumerate(detail)
    else:
        return {path: [str(words) for words in (detail if isinstance(detail, list) else [detail])]}
    found: dict[str, list[str]] = {}
    for name, faults in pairs:
        name = "" if name == api_settings.NON_FIELD_ERRORS_KEY else str(name)
        found |= _fields(faults, ".".join(part for part in (path, name) if part)) if faults else {}
    return found
