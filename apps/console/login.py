"""Sign in, sign out, and the company that the screens show."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from apps.console.denials import TOO_MANY
from apps.console.middleware import UNPROCESSABLE
from apps.console.screens import COMPANY, UNSENT, door
from apps.core.lockouts import address, locked_until
from apps.core.models import User


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": "That e-mail and password do not match. Check both and try again.",
        "inactive": "This account was switched off. An admin of your company can switch it on.",
    }
    username = forms.EmailField(
        label="E-mail",
        max_length=User._meta.get_field("email").max_length,  # a longer one is nobody's, and too long to be counted
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )


class SignIn(LoginView):
    template_name = "login.html"
    form_class = SignInForm
    redirect_authenticated_user = True

    def form_invalid(self, form: SignInForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=UNPROCESSABLE)


    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**context, unsent=UNSENT in self.request.GET, mail_sent=settings.MAIL_SENT)


def locked_out(request: HttpRequest, response: HttpResponse, credentials: dict[str, Any] | None) -> HttpResponse:
    """What axes answers with after too many wrong passwords. The same words for an e-mail that nobody has."""
    email = str((credentials or {}).get("username") or "")
    until = locked_until(email, address(request))
    context = {
        "until": until,
        "minutes": max(1, -(-(until - timezone.now()).seconds // 60)),
        "limit": settings.AXES_FAILURE_LIMIT,
        "mail_sent": settings.MAIL_SENT,
    }
    return render(request, "locked_out.html", context, status=TOO_MANY)


class SignOut(LogoutView):
    next_page = "login"


@door(methods=["POST"])
def company(request: HttpRequest) -> HttpResponse:
    """Show one company, or all. Another company's id shows all: `Companies` only knows the person's own."""
    chosen = request.POST.get("company", "")
    request.session[COMPANY] = int(chosen) if chosen.isdecimal() else None
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return redirect(back if safe else reverse("home"))
