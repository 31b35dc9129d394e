"""schemathesis against the live server with each role's token: no 5xx, no answer outside the schema. The seed is fixed.

Each role asks what it reads and writes what it may: that it gets the refusals it should is for test_walk. The edges of every
parameter and field, which are thousands, are tried by one person of all roles: one in EDGES of them, spread over all operations.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
import schemathesis
from django.db import connection
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events

from apps.core.models import AuditEntry, Membership
from apps.core.permissions import Role
from apps.platforms.operations import connect
from apps.settlements.models import FeeRule, FeeSignature, ReserveChain
from tests.api.conftest import Program
from tests.api.test_walk import ALLOWED, READ, bulk_of
from tests.console.conftest import Company

SEED = 20261121
EXAMPLES = 3
EDGES = 16
TRIED = ("examples", "fuzzing")  # phases of schemathesis
MET = 12  # answers of a role that reads little, so that a fuzz of refusals alone is not taken for one
ACTIONS = {  # kind -> one of its actions
    "cases": "map-fee",
    "listings": "map",
    "imports": "apply",
    "fee-rules": "change",
    "batches": "void",
    "chains": "confirm-opening",
    "stock": "set",
    "routines": "sign",
}
BUSINESS = "422"  # a refusal in words: the schema cannot know what the world allows


@pytest.mark.parametrize("role", Role)
def test_no_answer_is_outside_the_schema(role: Role, ours: Company, live_server, settings, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)  # the server's threads outlive their requests
    settings.API_PER_MINUTE = {"read": 10**6, "write": 10**6}
    logging.getLogger("django.request").setLevel(logging.ERROR)  # each of thousands of refusals is a warning
    program = Program(ours.people[role])
    document = program.get("schema/").json()
    lead_to(document, real_ids(ours))
    leave_to(role, document)
    answers, failures = run(schemathesis.openapi.from_dict(document, config=config(live_server.url, program.token)))
    assert answers[200] >= MET, answers
    assert not failures, f"{len(failures)} failures:\n" + "\n\n".join(failures[:8])


def test_no_answer_to_a_platform_is_outside_the_schema(ours: Company, live_server, settings, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    settings.API_PER_MINUTE = {"read": 10**6, "write": 10**6}
    logging.getLogger("django.request").setLevel(logging.ERROR)
    _, key = connect(entity=ours.entity, name="Patchwork", address="", token="", actor=ours.people[Role.ADMIN])
    document = Program(ours.people[Role.ADMIN]).get("schema/").json()
    document["paths"] = {path: said for path, said in document["paths"].items() if path == "/api/v1/intake/"}
    said = config(live_server.url, key, examples=40)
    answers, failures = run(schemathesis.openapi.from_dict(document, config=said))
    assert answers[200] and answers[422], answers
    assert not failures, f"{len(failures)} failures:\n" + "\n\n".join(failures[:8])


def test_no_answer_at_the_edges_of_what_can_be_asked_is_outside_the_schema(ours: Company, live_server, settings, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    settings.API_PER_MINUTE = {"read": 10**6, "write": 10**6}
    logging.getLogger("django.request").setLevel(logging.ERROR)
    everybody = ours.people[Role.FINANCE]
    for role in set(Role) - {Role.FINANCE}:
        Membership.objects.create(user=everybody, entity=ours.entity, role=role)
    program = Program(everybody)
    document = program.get("schema/").json()
    lead_to(document, real_ids(ours))
    del document["paths"]["/api/v1/intake/"]  # knows no person
    schema = schemathesis.openapi.from_dict(document, config=config(live_server.url, program.token, phases=("coverage",)))
    numbers = count()

    @schema.hook
    def filter_case(context: Any, case: Any) -> bool:
        return next(numbers) % EDGES == 0

    answers, failures = run(schema)
    assert answers[200] and answers[422] >= MET, answers  # most edges are to be refused
    assert not failures, f"{len(failures)} failures:\n" + "\n\n".join(failures[:8])


def run(schema: Any) -> tuple[Counter, list[str]]:
    """How many answers of each status, and what failed."""
    answers, failures = Counter(), []
    for event in engine.from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            failures.append(str(event.info if isinstance(event, events.NonFatalError) else event.exception))
        if isinstance(event, events.ScenarioFinished):
            said = [each.response for each in event.recorder.interactions.values() if each.response is not None]
            answers.update(response.status_code for response in said)
            failures += told(event)
    return answers, failures


def config(url: str, token: str, *, examples: int = EXAMPLES, phases: Sequence[str] = TRIED) -> SchemathesisConfig:
    accepted = ["2xx", "401", "403", "404", "409", "429", BUSINESS]
    return SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "base-url": url,
            "workers": 1,
            "cache": {"enabled": False},
            "headers": {"Authorization": f"Bearer {token}"},
            "continue-on-failure": True,
            "request-timeout": 300,  # seconds; after ten a slow machine would count as a fault
            "suppress-health-check": ["too_slow"],
            "generation": {"max-examples": examples, "no-shrink": True, "database": "none"},
            "phases": {name: {"enabled": name in phases} for name in (*TRIED, "coverage", "stateful")},
            "checks": {"positive_data_acceptance": {"expected-statuses": accepted}},
        }
    )


def real_ids(company: Company) -> dict[str, Any]:
    """A record of the company for each kind."""
    return {
        "entities": company.entity.pk,
        "cases": company.fee_case.pk,
        "settlements": company.settlement.settlement_id,
        "batches": company.batch.pk,
        "journals": company.version.journals.first().journal_id,
        "orders": company.order.pk,
        "listings": company.listing.pk,
        "fee-signatures": FeeSignature.objects.filter(entity=company.entity).first().pk,
        "fee-rules": FeeRule.objects.filter(entity=company.entity).first().pk,
        "imports": company.imported.pk,
        "sources": company.run.source_id,
        "runs": company.run.pk,
        "audit": AuditEntry.objects.filter(entity=company.entity).first().pk,
        "bulk": bulk_of(company).pk,
        "approvals": company.proposal.pk,
        "shifts": company.shift_note.pk,
        "chains": ReserveChain.objects.get(connection=company.connection).pk,
        "stock": company.stocked.pk,
        "jobs": company.release.pk,
        "runbooks": company.runbook.type,
        "routines": f"{company.entity.pk}-rejected-orders",
        "saved-views": str(company.saved_view.pk),
    }


def lead_to(document: dict[str, Any], ids: dict[str, Any]) -> None:
    """Each path leads to a record that is there."""
    for path, operations in document["paths"].items():
        kind = path.removeprefix("/api/v1/").split("/")[0]
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    known = ACTIONS[kind] if parameter["name"] == "name" else ids[kind]
                    parameter["schema"] = {"type": parameter["schema"]["type"], "enum": [known]}
                    parameter["example"] = known


def leave_to(role: Role, document: dict[str, Any]) -> None:
    """Only what this role asks."""
    for path, operations in document["paths"].items():
        kind = path.removeprefix("/api/v1/").split("/")[0]
        reads, writes = role in READ.get(kind, Role), role in ALLOWED.get(kind, ())
        document["paths"][path] = {
            method: said for method, said in operations.items() if (reads if method == "get" else writes)
        }


def told(event: events.ScenarioFinished) -> list[str]:
    """Each failed check with the request and the answer."""
    found = []
    for case_id, checks in event.recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                said = event.recorder.interactions[case_id]
                answer = said.response and f"{said.response.status_code} {said.response.content[:400]!r}"
                asked = f"{said.request.method} {said.request.uri} {said.request.body!r:.300}"
                found.append(f"{check.name}: {check.failure_info.failure}\n{asked}\n{answer}")
    return found
