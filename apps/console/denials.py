"""Pages for what is not answered: what happened, who can, and the next step. Inside a page they are a note."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

NOT_FOUND, METHOD, TOO_MANY = 404, 405, 429

WORDS = {
    400: "This request was broken on its way, so we could not read it",
    403: "Your roles do not include this. An admin of your company gives roles",
    404: "Nothing is at this address, or it is not yours to see",
    405: "This address only takes what a form on another page sends",
}
NEXT = {
    400: "Go back, load the page again, and send it once more.",
    404: "The link may be mistyped, or it belongs to a company in which you have no role. An admin of that company gives roles.",
    405: "Open the page with the form, and send it from there.",
}


def denied(request: HttpRequest, status: int, words: str = "", then: str = "", code: str = "") -> HttpResponse:
    """The page in the look of the sign-in; for a part of a page the note in words."""
    context = {
        "words": words or WORDS[status],
        "then": then or NEXT.get(status, ""),
        "status": status,
        "path": request.path,
    }
    context["code"] = code or {404: "not-found", 405: "wrong-method", 400: "broken"}.get(status, "not-allowed")
    if is_part(request):
        note = render(request, "parts/refusal.html", context, status=status)
        note["HX-Retarget"] = "#notices"
        note["HX-Reswap"] = "innerHTML"
        return note
    return render(request, "refused.html", context, status=status)


def is_part(request: HttpRequest) -> bool:
    htmx = getattr(request, "htmx", None)
    return bool(htmx) and not htmx.boosted


def broken(request: HttpRequest, exception: Exception) -> HttpResponse:
    return denied(request, 400)


def not_allowed(request: HttpRequest, exception: Exception) -> HttpResponse:
    return denied(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return denied(request, NOT_FOUND)


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The token of the form is not of this session: most often the person signed in again in another tab."""
    return denied(
        request,
        403,
        "This form was opened before you last signed in, so nothing was saved",
        "We cannot tell that it came from you. Go back, load the page again, and send the form once more. "
        "If it happens again, allow cookies for this site.",
        "csrf",
    )
