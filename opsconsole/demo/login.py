"""Signs the demo's people in. Only demo mode installs it: elsewhere their accounts have no password."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from apps.core.models import User
from opsconsole.demo.people import PASSWORD, PEOPLE


class DemoLogin(ModelBackend):
    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **others: Any
    ) -> User | None:
        if (username or "").lower() not in {person.email for person in PEOPLE}:
            return None
        person = User.objects.filter(email__iexact=username).first()
        if person is None or person.has_usable_password() or not constant_time_compare(password or "", PASSWORD):
            return None
        return person if self.user_can_authenticate(person) else None
