"""How programs use the API: where to begin, and each kind of record with its operations, from the OpenAPI document itself."""

import json
import shlex
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from drf_spectacular.generators import SchemaGenerator

from apps.console.screens import door, render_screen

BASE = "/api/v1/"
DEEPEST = 6
INSTEAD = {"string": "text", "integer": 1, "number": 1.5, "boolean": True}


@dataclass(frozen=True, kw_only=True)
class Field:
    """A parameter, or a field of a body. `kind` is its type in words."""

    name: str
    kind: str
    needed: bool
    says: str


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One thing that can be asked. `answers` are statuses with what each means; `answer` is an example as JSON."""

    id: str
    method: str
    path: str
    summary: str
    says: str
    parameters: list[Field]
    body: list[Field]
    curl: str
    answer: str
    answers: list[tuple[str, str]]


@door()
def docs(request: HttpRequest) -> HttpResponse:
    """Where to begin."""
    context = {
        "kinds": [(kind, kind.replace("-", " "), len(operations)) for kind, operations in _kinds().items()],
        "origin": request.build_absolute_uri("/").rstrip("/"),
        "often": settings.API_PER_MINUTE,
    }
    return render_screen(request, "api_docs.html", context)


@door()
def docs_of(request: HttpRequest, kind: str) -> HttpResponse:
    """The operations of one kind of record."""
    if kind not in _kinds():
        raise Http404(f"no kind {kind}")
    context = {"kind": kind.replace("-", " "), "operations": _kinds()[kind]}
    return render_screen(request, "api_docs_of.html", context)


@cache
def _kinds() -> dict[str, list[Operation]]:
    """{kind of record: its operations}; the document is the same as long as this process lives."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    kinds: dict[str, list[Operation]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            found = _operation(document, path, method.upper(), operation)
            kinds.setdefault(path.removeprefix(BASE).split("/")[0], []).append(found)
    return kinds


def _operation(document: dict, path: str, method: str, said: dict[str, Any]) -> Operation:
    content = said.get("requestBody", {}).get("content", {})
    media, body = next(((media, each["schema"]) for media, each in content.items()), ("", {}))
    well = next(each for status, each in said["responses"].items() if status.startswith("2"))
    media_out, answer = next(((media, each["schema"]) for media, each in well["content"].items()))
    parameters = said.get("parameters", [])
    return Operation(
        id=said["operationId"],
        method=method,
        path=path,
        summary=said["summary"],
        says=said["description"],
        parameters=[
            _field(document, each["name"], each["schema"], each.get("required", False), each.get("description", ""))
            for each in sorted(parameters, key=lambda each: not each.get("required", False))
        ],
        body=_fields(document, body),
        curl=_curl(document, path, method, parameters, media, body),
        answer=_json(_example(document, answer)) if media_out == "application/json" else "The file itself",
        answers=[(status, each.get("description", "")) for status, each in said["responses"].items() if each.get("description")],
    )


def _fields(document: dict, schema: dict[str, Any]) -> list[Field]:
    schema = _resolved(document, schema)
    needed = schema.get("required", ())
    found = []
    for name, each in schema.get("properties", {}).items():
        found.append(_field(document, name, each, name in needed, each.get("description", "")))
        if "$ref" in each.get("items", {}):
            found += [replace(field, name=f"{name}[].{field.name}") for field in _fields(document, each["items"])]
    return found


def _field(document: dict, name: str, schema: dict[str, Any], needed: bool, says: str) -> Field:
    of = _resolved(document, schema)
    kind = of.get("type", "object")
    kind = kind if kind == "integer" else of.get("format", kind)
    if "enum" in of:
        kind = "one of " + ", ".join(str(each) for each in of["enum"] if each not in ("", None))
    return Field(name=name, kind=kind, needed=needed, says=says)


def _curl(document: dict, path: str, method: str, parameters: list[dict], media: str, body: dict[str, Any]) -> str:
    """The request as a person types it."""
    for each in parameters:
        if each["in"] == "path":
            example = each.get("example") or each["schema"].get("example") or INSTEAD[each["schema"]["type"]]
            path = path.replace(f"{{{each['name']}}}", str(example))
    said = [f'curl "$CONSOLE{path}"', '-H "Authorization: Bearer $TOKEN"']
    said += [f'-H "{each["name"]}: $(uuidgen)"' for each in parameters if each["in"] == "header"]
    if media == "multipart/form-data":
        example = _example(document, body)
        said += [f'-F "{name}={"@" if name == "file" else ""}{value}"' for name, value in example.items()]
    elif method == "POST":
        example = json.dumps(_example(document, body), ensure_ascii=False)
        said += ['-H "Content-Type: application/json"', f"-d {shlex.quote(example)}"]
    return " \\\n  ".join(said)


def _example(document: dict, schema: dict[str, Any], depth: int = 0) -> Any:
    """A value that the schema allows, made of the examples in it."""
    if "example" in schema:
        return schema["example"]
    schema = _resolved(document, schema)
    if "example" in schema or depth > DEEPEST:
        return schema.get("example")
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "array":
        return [_example(document, schema["items"], depth + 1)]
    if schema.get("type", "object") == "object":
        return {name: _example(document, each, depth + 1) for name, each in schema.get("properties", {}).items()}
    if "default" in schema:
        return schema["default"]
    return None if schema.get("nullable") else INSTEAD[schema["type"]]


def _resolved(document: dict, schema: dict[str, Any]) -> dict[str, Any]:
    """What a reference leads to; a schema that only wraps one is that one."""
    wrapped = schema.get("allOf") or [schema]
    reference = wrapped[0].get("$ref")
    return document["components"]["schemas"][reference.rsplit("/", 1)[1]] if reference else schema


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
