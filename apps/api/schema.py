"""What every operation says in the OpenAPI document beyond its own fields."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework.permissions import SAFE_METHODS

from apps.api import idempotency
from apps.api.errors import PROBLEM, Problem
from apps.api.examples import ACTIONS, EXAMPLES, WHOLE, fits

ABOUT = """Everything a person can read and do in the console, for programs. A token speaks with its person's roles: what
they may not read is not there, and what they may not do is refused in words.

Lists come in pages by key: follow “next” until it is null. Every write needs an Idempotency-Key that you make up once for
it, so that a request sent twice is done once. Whatever changes figures is previewed first: send the preview's digest back to
do just that. Money is text beside its currency; instants are ISO 8601 in UTC. Errors are RFC 9457 problem details."""

ALWAYS = {
    "401": "No token, or one that is over, revoked or not known.",
    "403": "Your roles do not include it. The words say who can.",
    "404": "It is not there, or it is of a company or queue that you do not read.",
    "406": "Only JSON is spoken here.",
    "422": "It is understood and cannot be done. The words say why, beside the field that is to blame.",
    "429": "Too many requests in this minute. Retry-After says for how many seconds to wait.",
}
WRITING = {
    "400": "The body is no JSON, or the Idempotency-Key is missing.",
    "413": "The body is too large.",
    "415": "The body is of a kind that is not read here.",
}
CONFLICT = "What was previewed has changed, and “plan” is what would be done now; or the same request is under way."


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "apps.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict:
        return {"type": "http", "scheme": "bearer", "description": "A token of yours, issued in the console."}


class PlatformScheme(OpenApiAuthenticationExtension):
    target_class = "apps.api.intake.PlatformAuthentication"
    name = "platform"

    def get_security_definition(self, auto_schema: object) -> dict:
        return {"type": "http", "scheme": "bearer", "description": "The key of a platform, shown once where it was connected."}


class Described(AutoSchema):
    """Words for each operation (`says` of the view, or the handler's docstring), its errors, and the key of a write."""

    def get_description(self) -> str:
        return getattr(self.view, "says", {}).get(self._action) or super().get_description()

    def get_summary(self) -> str:
        return self.get_description().split(".")[0]

    def get_tags(self) -> list[str]:
        return [self.path.removeprefix("/api/v1/").split("/")[0]]

    def get_override_parameters(self) -> list:
        found = []
        if "{" in self.path:
            name = "id" if self.view.lookup_field == "pk" else self.view.lookup_field
            found.append(OpenApiParameter(name, self.view.id_type, OpenApiParameter.PATH, description="Its id"))
        if query := getattr(self._handler, "asks", self._action == "list" and self.view.query_class):
            found.append(query)
        if self._takes_key:
            words = "Made up once for this write, such as a UUID. Sent again with it, it is answered again and done once."
            found.append(
                OpenApiParameter(
                    idempotency.HEADER,
                    {"type": "string", "minLength": 1, "maxLength": idempotency.LONGEST, "pattern": "^[!-~]+$"},
                    OpenApiParameter.HEADER,
                    required=True,
                    description=words,
                )
            )
        return found

    def get_operation(self, *args: Any, **kwargs: Any) -> dict | None:
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        words = ALWAYS | ({} if self.method in SAFE_METHODS else WRITING)
        if self._takes_key:
            words["409"] = CONFLICT
        problem = self.resolve_serializer(Problem, "response").ref
        for status, description in sorted(words.items()):
            operation["responses"].setdefault(
                status, {"description": description, "content": {PROBLEM: {"schema": problem}}}
            )
        return operation

    @property
    def _action(self) -> str:
        return getattr(self.view, "action", "")

    @property
    def _handler(self) -> Any:
        return getattr(self.view, self._action or self.method.lower(), None)

    @property
    def _takes_key(self) -> bool:
        return getattr(self._handler, "takes_key", False)


def finished(result: dict, **_: Any) -> dict:
    """drf-spectacular's hook: what it is about, and an example beside each field and parameter that apps.api.examples knows."""
    result["info"]["description"] = ABOUT
    for named, component in result["components"]["schemas"].items():
        if named in WHOLE:
            component.setdefault("example", WHOLE[named])
        for name, field in component.get("properties", {}).items():
            if fits(name, field) and "$ref" not in field:
                field.setdefault("example", EXAMPLES[name])
    for address, path in result["paths"].items():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                if "/actions/{name}/" in address and parameter["name"] == "name":
                    parameter["example"] = ACTIONS[address.split("/")[3]]
                elif fits(parameter["name"], parameter["schema"]):
                    parameter.setdefault("example", EXAMPLES[parameter["name"]])
    return result
