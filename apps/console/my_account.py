"""Under one's own name: the password, where one is signed in, and the tokens of one's programs."""

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone

from apps.console.middleware import UNPROCESSABLE
from apps.console.passwords import NewPasswordForm
from apps.console.screens import door, render_screen
from apps.console.timeline import happening
from apps.core import sign_ins, tokens
from apps.core.errors import Refused
from apps.core.models import AuditEntry, SignIn, User
from apps.core.passwords import set_password
from apps.core.visits import device

HISTORY = 20
SUGGESTED = timedelta(days=90)


class PasswordForm(NewPasswordForm):
    old_password = forms.CharField(
        label="Password now",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ["old_password", "new_password1", "new_password2"]

    def clean_old_password(self) -> str:
        if not self.user.check_password(self.cleaned_data["old_password"]):
            raise forms.ValidationError("This is not your password.")
        return self.cleaned_data["old_password"]


class TokenForm(forms.Form):
    name = forms.CharField(
        label="What will use it", max_length=80, help_text="So that you know later which one to revoke."
    )
    expires_on = forms.DateField(
        label="Last day", widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}), help_text="At most a year from now."
    )

    def clean_expires_on(self) -> datetime:
        """The end of that day, in the zone that the screens show; a year from today it ends at this hour."""
        begins = timezone.make_aware(datetime.combine(self.cleaned_data["expires_on"], time.min))
        latest = timezone.now() + tokens.LONGEST
        return min(begins + timedelta(days=1), latest) if begins <= latest else begins


@door(methods=["GET", "POST"])
def my_account(request: HttpRequest) -> HttpResponse:
    """A POST changes the password, or makes a token and shows it this once."""
    user, posted = request.user, request.POST
    password = PasswordForm(user, posted if "password" in posted else None)
    suggested = timezone.localdate() + SUGGESTED
    token = TokenForm(posted if "token" in posted else None, initial={"expires_on": suggested})
    if password.is_bound and password.is_valid():
        _change(request, password.cleaned_data["new_password1"])
        messages.success(request, "Your password is changed. Everywhere else you are signed out.")
        return redirect("my_account")
    clear = _issue(user, token) if token.is_bound and token.is_valid() else ""
    status = UNPROCESSABLE if (password.errors or token.errors) else 200
    response = _show(request, {"password": password, "token": token, "clear": clear}, status)
    if clear:
        response["Cache-Control"] = "no-store"
    return response


@door(methods=["POST"])
def end_session(request: HttpRequest) -> HttpResponse:
    """One of one's own sessions, or all but this one."""
    mine = SignIn.objects.filter(user=request.user).exclude(pk=request.session.get(sign_ins.ROW))
    chosen = request.POST.get("session", "")
    if chosen:
        mine = mine.filter(
            pk=get_object_or_404(mine.open(timezone.now()), pk=int(chosen) if chosen.isdecimal() else 0).pk
        )
    ended = sign_ins.end(mine, person=request.user, actor=request.user)
    messages.success(request, f"Signed out there: {ended} session{'' if ended == 1 else 's'} ended.")
    return redirect("my_account")


@door(methods=["POST"])
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(request.user.tokens.in_force(timezone.now()), pk=pk)
    tokens.revoke(token=token, actor=request.user)
    messages.success(request, f"“{token.name}” is revoked: from now on it opens nothing.")
    return redirect("my_account")


def sessions_of(person: User, this: int | None = None) -> list[tuple[SignIn, str, bool]]:
    """(sign-in, its device in words, whether it is this one), the last used first."""
    rows = person.sign_ins.open(timezone.now()).order_by("-seen_at", "-pk")
    return [(row, device(row.agent), row.pk == this) for row in rows]


def _change(request: HttpRequest, password: str) -> None:
    this = SignIn.objects.filter(pk=request.session.get(sign_ins.ROW)).first()
    set_password(user=request.user, password=password, keep=this)
    update_session_auth_hash(request, request.user)  # this session goes on, under a new key
    sign_ins.keep(request)


def _issue(user: User, form: TokenForm) -> str:
    """The clear text, or nothing and the words beside the field."""
    try:
        return tokens.issue(user=user, name=form.cleaned_data["name"], expires_at=form.cleaned_data["expires_on"])[1]
    except Refused as refused:
        form.add_error({"expires_at": "expires_on"}.get(refused.field, refused.field or None), refused.words)
        return ""


def _show(request: HttpRequest, forms_shown: dict[str, Any], status: int) -> HttpResponse:
    user, zone = request.user, timezone.get_current_timezone()
    about_me = AuditEntry.objects.about(f"person:{user.pk}").visible_to(user).order_by("-pk")[:HISTORY]
    context = forms_shown | {
        "sessions": sessions_of(user, request.session.get(sign_ins.ROW)),
        "tokens": user.tokens.in_force(timezone.now()),
        "roles": [
            (entity, sorted(role.label for role in user.roles_in(entity.pk))) for entity in request.companies.all
        ],
        "history": [happening(entry, zone) for entry in about_me],
    }
    return render_screen(request, "my_account.html", context, status=status)
