"""Amazon's official models, beside the project: what a request must say and how an answer is made."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.conf import settings

MODELS = Path(settings.BASE_DIR).parent / "shared" / "amazon-models"
FILES = ("orders_2026-01-01", "fbaInventory", "reports_2021-06-30", "listingsItems_2021-08-01")
OURS = (
    "searchOrders", "getOrder", "getInventorySummaries", "getReports", "getReport", "getReportDocument", "searchListingsItems",
)  # fmt: skip
FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def is_instant(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@dataclass(frozen=True)
class Operation:
    name: str
    method: str
    path: str
    parameters: list[dict[str, Any]]
    responses: dict[str, dict[str, Any]]
    definitions: dict[str, Any]

    def faults(self, status: int, data: object, strict: bool = False) -> list[str]:
        """What is wrong with an answer of that status. `strict`: a field that the model does not know is wrong too."""
        definitions = closed(self.definitions) if strict else self.definitions
        schema = {"allOf": [self.responses[str(status)]["schema"]], "definitions": definitions}
        found = jsonschema.Draft4Validator(schema, format_checker=FORMATS).iter_errors(data)
        return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


@dataclass(frozen=True)
class Checked:
    """What a model says about a request: names that are missing, values that are wrong, names that it does not know."""

    operation: str
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return not self.missing and not self.wrong


def official(name: str) -> Any:
    """A model, or the list of official examples. REQUIRE_SAMPLES=1 makes a missing one a failure."""
    path = MODELS / f"{name}.json"
    if not path.exists():
        missing = f"../shared/amazon-models/{name}.json is missing: nothing is compared with Amazon's own models"
        pytest.fail(missing) if os.environ.get("REQUIRE_SAMPLES") == "1" else pytest.skip(missing)
    return json.loads(path.read_text())


@cache
def operations() -> dict[str, Operation]:
    """Those that the sandbox answers, by name."""
    found = {}
    for file in FILES:
        model = official(file)
        for path, methods in model["paths"].items():
            for method, said in methods.items():
                if isinstance(said, dict) and said.get("operationId") in OURS:
                    name, responses = said["operationId"], said["responses"]
                    found[name] = Operation(
                        name, method.upper(), path, said["parameters"], responses, model["definitions"]
                    )
    return found


def examples() -> Iterator[tuple[str, Operation, int, Any]]:
    """(its name, operation, status, answer) of every official example of these operations."""
    known = operations()
    for place, example in enumerate(official("sandbox-examples")):
        if example["operation"] in known and f"{example['api']}" in FILES:
            name = f"{example['operation']} sandbox {place}"
            yield name, known[example["operation"]], example["status"], example["response"]
    for operation in known.values():
        for status, response in operation.responses.items():
            for kind, answer in response.get("examples", {}).items():
                yield f"{operation.name} {status} {kind}", operation, int(status), answer
            for place, pair in enumerate(response.get("x-amzn-api-sandbox", {}).get("static", [])):
                yield f"{operation.name} {status} static {place}", operation, int(status), pair["response"]


def check_request(method: str, path: str, query: Mapping[str, list[str]], body: bytes = b"") -> Checked:
    """`path` as it went over the wire, `query` with a list for each name. Raises LookupError where no operation is."""
    for operation in operations().values():
        pattern = re.sub(r"\{\w+\}", "[^/]+", operation.path)
        if operation.method == method and re.fullmatch(pattern, path):
            break
    else:
        raise LookupError(f"no operation of these models is {method} {path}")
    known = {each["name"]: each for each in operation.parameters if each["in"] == "query"}
    return Checked(
        operation=operation.name,
        missing=[name for name, said in known.items() if said.get("required") and not query.get(name)],
        wrong=[words for name, values in query.items() if name in known for words in _wrong(known[name], values)]
        + (["a body"] if body and operation.method == "GET" else []),
        unknown=sorted(set(query) - set(known)),
    )


def _wrong(said: dict[str, Any], values: list[str]) -> Iterator[str]:
    """A query's text, made what its type says, against its own schema."""
    schema = {name: said[name] for name in SCHEMA_WORDS if name in said}
    data: object = _typed(said, values[0])
    if said["type"] == "array":
        data = [_typed(said["items"], each) for text in values for each in text.split(",")]
    elif len(values) > 1:
        yield f"{said['name']}: came {len(values)} times"
    for error in jsonschema.Draft4Validator(schema, format_checker=FORMATS).iter_errors(data):
        yield f"{said['name']}: {error.message}"


SCHEMA_WORDS = ("type", "format", "enum", "items", "maxItems", "minItems", "maximum", "minimum", "pattern")


def _typed(said: dict[str, Any], text: str) -> object:
    if said["type"] == "integer" and text.isdecimal():
        return int(text)
    if said["type"] == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def closed(definitions: dict[str, Any]) -> dict[str, Any]:
    """The same with no room for a field that a model does not name."""
    return {
        name: {**said, "additionalProperties": False}
        if "properties" in said and "additionalProperties" not in said
        else said
        for name, said in definitions.items()
    }
