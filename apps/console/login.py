"""Sign in, sign out, and the company that the screens show."""

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from apps.console.middleware import UNPROCESSABLE
from apps.console.screens import COMPANY, door


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": "That e-mail and password do not match. Check both and try again.",
        "inactive": "This account was switched off. An admin of your company can switch it on.",
    }
    username = forms.EmailField(
        label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
    )


class SignIn(LoginView):
    template_name = "login.html"
    form_class = SignInForm
    redirect_authenticated_user = True

    def form_invalid(self, form: SignInForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=UNPROCESSABLE)


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
