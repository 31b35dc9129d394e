"""Setting a password by a link, and having one sent."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.tokens import default_token_generator
from django.contrib.auth.views import INTERNAL_RESET_SESSION_TOKEN, PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.http import require_http_methods

from apps.console.middleware import UNPROCESSABLE
from apps.core.models import User
from apps.core.passwords import RULES, handed_over, set_password
from apps.integrations.letters import send_link


class NewPasswordForm(SetPasswordForm):
    new_password1 = forms.CharField(
        label="New password",
        strip=False,
        help_text=RULES,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    new_password2 = forms.CharField(
        label="The same again",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    error_messages = {"password_mismatch": "The two are not the same. Type the new password twice."}


class SetPassword(PasswordResetConfirmView):
    """What a link opens. Django keeps its token in the session, so that the address names no secret while one types."""

    template_name = "set_password.html"
    form_class = NewPasswordForm
    success_url = reverse_lazy("login")
    token_generator = handed_over

    def get_user(self, uidb64: str) -> User | None:
        user = super().get_user(uidb64)
        return user if user and user.is_active else None

    def form_valid(self, form: NewPasswordForm) -> HttpResponse:
        mailed = default_token_generator.check_token(self.user, self.request.session.pop(INTERNAL_RESET_SESSION_TOKEN))
        if self.request.user == self.user:
            logout(self.request)  # all sessions of the person end, and this answer needs one
        set_password(user=self.user, password=form.cleaned_data["new_password1"], seen=not mailed)
        messages.success(self.request, "Your password is set. Sign in with it.")
        return redirect(self.get_success_url())

    def form_invalid(self, form: NewPasswordForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=UNPROCESSABLE)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**context, mail_sent=settings.MAIL_SENT, person=self.user)


class EmailForm(forms.Form):
    email = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "username"}))


@require_http_methods(["GET", "HEAD", "POST"])
def forgot(request: HttpRequest) -> HttpResponse:
    """The same answer whether somebody has this e-mail or nobody."""
    form = EmailForm(request.POST or None)
    sent = settings.MAIL_SENT and form.is_valid()
    if sent and (person := User.objects.filter(email__iexact=form.cleaned_data["email"], is_active=True).first()):
        send_link(person)
    status = UNPROCESSABLE if form.is_bound and not sent else 200
    return render(request, "forgot.html", {"form": form, "sent": sent, "mail_sent": settings.MAIL_SENT}, status=status)
