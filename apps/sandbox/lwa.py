"""Login with Amazon: a refresh token and the application's secret against an access token of an hour."""

import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from apps.sandbox.wire import Answer, Refused, Request, as_json

CLIENT_ID = "amzn1.application-oa2-client.sandbox"
CLIENT_SECRET = "amzn1.oa2-cs.v1.sandbox-secret"
REFRESH_TOKEN = "Atzr|sandbox"
"""Every refresh token that begins so is one of the seller's: a test takes its own, because the library caches by it."""

GOOD_FOR = 3600  # seconds of the real clock: the library's cache follows that clock too


@dataclass
class Tokens:
    """Access tokens that were given, each with the refresh token behind it and its end on the monotonic clock."""

    given: dict[str, tuple[str, float]] = field(default_factory=dict)

    def give(self, request: Request) -> Answer:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if form.get("grant_type") != "refresh_token":
            return _no(
                400,
                "unsupported_grant_type",
                "The authorization grant type is not supported by the authorization server",
            )
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            return _no(401, "invalid_client", "Client authentication failed")
        refresh = form.get("refresh_token", "")
        if not refresh.startswith(REFRESH_TOKEN):
            return revoked()
        access = f"Atza|{secrets.token_urlsafe(48)}"
        self.given[access] = (refresh, time.monotonic() + GOOD_FOR)
        return as_json(
            {"access_token": access, "token_type": "bearer", "expires_in": GOOD_FOR, "refresh_token": refresh}
        )

    def behind(self, access: str) -> str:
        """The refresh token behind an access token; refuses as Amazon does without a good one."""
        refresh, ends = self.given.get(access, ("", 0.0))
        if not refresh:
            raise denied("The access token you provided is revoked, malformed or invalid.")
        if ends <= time.monotonic():
            raise denied("The access token you provided has expired.")
        return refresh

    def expire(self) -> None:
        self.given = {access: (refresh, 0.0) for access, (refresh, _) in self.given.items()}


def revoked() -> Answer:
    return _no(
        400,
        "invalid_grant",
        "The request has an invalid grant parameter : refresh_token. User may have revoked consent.",
    )


def denied(details: str) -> Refused:
    return Refused(403, "Unauthorized", "Access to requested resource is denied.", details)


def _no(status: int, error: str, words: str) -> Answer:
    return as_json({"error": error, "error_description": words}, status)
