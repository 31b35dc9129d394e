"""Who asks: a program with a token, or a person's browser with their session."""

from typing import TYPE_CHECKING

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.core import tokens
from apps.core.errors import NotAllowed
from apps.core.models import User
from apps.core.refusals import not_allowed_words

if TYPE_CHECKING:
    from rest_framework.views import APIView

SCHEME = "Bearer"
NOT_KNOWN = "This token is not known, or it is over, revoked, or of a person without a role. Issue a new one in the console."


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer oc_…`"""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        scheme, _, clear = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        holder = tokens.holder_of(clear.strip())
        if holder is None:
            raise AuthenticationFailed(NOT_KNOWN)
        return holder, None

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


class Door(BasePermission):
    """Lets in who has the view's permission in some company. Querysets narrow it down to those companies, and verbs check."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not request.user.is_authenticated:
            return False
        permission = getattr(view, "permission", None)
        if permission and not request.user.may_anywhere(permission):
            raise NotAllowed(not_allowed_words(permission, request.user))
        return True
