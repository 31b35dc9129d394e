"""Exception types of the tests, over a table of facts as plain as can be: a row is wrong, no row is well."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.db import connection

from apps.core.models import Entity, User
from apps.core.permissions import MAP_FEES, Team
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import Action, ExceptionType, Finding, Plan, Runbook, Scope, Weight

HOLDS, LOOSE = "test.holds", "test.loose"
CREATE = """
    CREATE TABLE test_fact (
        code text, entity_id bigint, subject text, stake numeric, currency text, lines integer, due_at timestamptz,
        PRIMARY KEY (code, entity_id, subject)
    )
"""
RUNBOOK = Runbook(impact="None.", steps=("Fix it.",), prevention="None.", escalate="Nobody.")


def put(
    entity: Entity,
    subject: str = "alpha",
    *,
    code: str = HOLDS,
    stake: Decimal | str = "100",
    currency: str = "GBP",
    lines: int = 1,
    due_at: datetime | None = None,
) -> None:
    """Make the fact true, or other than it was."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO test_fact VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (code, entity_id, subject)"
            " DO UPDATE SET (stake, currency, lines, due_at)"
            " = (excluded.stake, excluded.currency, excluded.lines, excluded.due_at)",
            [code, entity.pk, subject, Decimal(stake), currency, lines, due_at],
        )


def drop(entity: Entity, subject: str = "alpha", *, code: str = HOLDS) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM test_fact WHERE code = %s AND entity_id = %s AND subject = %s", [code, entity.pk, subject]
        )


def facts_of(entity: Entity, code: str) -> set[str]:
    return {finding.subject for finding in _facts(code, entity, None)}


def _facts(code: str, entity: Entity, subjects: frozenset[str] | None) -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT subject, stake, currency, lines, due_at FROM test_fact WHERE code = %s AND entity_id = %s"
            " AND (%s::text[] IS NULL OR subject = ANY(%s)) ORDER BY subject",
            [code, entity.pk, *[None if subjects is None else list(subjects)] * 2],
        )
        for subject, stake, currency, lines, due_at in cursor.fetchall():
            if subject == "unreadable":
                raise ValueError("this fact cannot be read")
            yield Finding(
                subject=subject, stake=stake, currency=currency, lines=lines, due_at=due_at, facts={"stake": str(stake)}
            )


def detect_holds(scope: Scope) -> Iterator[Finding]:
    return _facts(HOLDS, scope.entity, scope.subjects)


def detect_loose(scope: Scope) -> Iterator[Finding]:
    """Looks at everything, whatever the scope: the sweep itself must keep to it."""
    return _facts(LOOSE, scope.entity, None)


class FixForm(forms.Form):
    account = forms.CharField(error_messages={"required": "Choose an account."})
    reason = forms.CharField(required=False)

    def __init__(self, case: Case, actor: User, data: Any = None):
        super().__init__(data)


def preview(case: Case, actor: User, cleaned: dict) -> Plan:
    """Like any plan it reads the facts, not the case: a sweep may not have seen the newest yet."""
    (finding,) = _facts(HOLDS, case.entity, frozenset({case.subject}))
    return Plan(
        effect=f"Post {finding.lines} lines to {cleaned['account']}",
        says=f"Frees {finding.stake} {finding.currency}.",
        digest=f"{finding.stake} {finding.currency} {finding.lines} {cleaned['account']}",
        weight=Weight(lines=finding.lines, money={finding.currency: finding.stake}),
    )


def run(case: Case, actor: User, cleaned: dict) -> str:
    drop(case.entity, case.subject)
    return f"Posted to {cleaned['account']}."


FIX = Action(
    name="fix", label="Fix it", permission=MAP_FEES, form=FixForm, preview=preview, run=run, clears=(HOLDS, LOOSE)
)
TYPES = [
    ExceptionType(
        code=code,
        title=title,
        team=Team.FINANCE,
        diagnosis=Diagnosis.STRUCTURAL,
        holds_back=holds_back,
        floor=Decimal(50),
        respond_within=timedelta(days=2),
        detect=detect,
        headline=lambda case: case.subject,
        runbook=RUNBOOK,
        panel="none.html",
        actions=actions,
    )
    for code, title, holds_back, detect, actions in (
        (HOLDS, "A test fact holds work back", True, detect_holds, (FIX,)),
        (LOOSE, "A test fact is odd", False, detect_loose, ()),
    )
]
