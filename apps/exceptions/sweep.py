"""Open cases equal what the detectors find now: a sweep opens, refreshes and ends cases by set difference.

Whoever writes cases first holds the lock of their (type, company), and takes several of them in one order (`hold`): a
sweep, a claim and a bulk wake therefore never meet half way, and none can deadlock with another. A transaction that
changes facts and sweeps does the sweeping last, and several types in one `sweep_each`.
"""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from apps.core.errors import Refused
from apps.core.locks import wait_for
from apps.core.models import Entity, User
from apps.exceptions import rules, statements
from apps.exceptions.models import Case, State
from apps.exceptions.reference import rates_of
from apps.exceptions.types import REGISTRY, ExceptionType, Finding, Scope
from apps.exceptions.waking import wake_above

log = logging.getLogger(__name__)

BATCH = 5000  # findings in memory at once
ANALYZE_FROM = 1000  # findings from which the planner's guess about the temporary table begins to cost more than a look


class DetectorFailed(Refused):
    """A detector raised, or found what no case can hold. No case of its type was touched; the cause is chained."""

    def __init__(self, kind: ExceptionType):
        super().__init__(
            f"The check “{kind.title}” failed, so nothing was changed. The cause is in the log.",
            code="detector-failed",
        )
        self.kind = kind


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What one sweep did, as ids of cases. `ended_ids` are cleared, or resolved where a person's action swept."""

    opened_ids: tuple[int, ...] = ()
    refreshed_ids: tuple[int, ...] = ()
    ended_ids: tuple[int, ...] = ()

    @property
    def opened(self) -> int:
        return len(self.opened_ids)

    @property
    def refreshed(self) -> int:
        return len(self.refreshed_ids)

    @property
    def cleared(self) -> int:
        return len(self.ended_ids)


class Live(NamedTuple):
    """A live case as the sweep found it."""

    id: int
    state: str
    opened_at: datetime
    lines: int
    stake: Decimal
    currency: str


def hold(causes: Iterable[tuple[str, int]]) -> None:
    """Wait for the right to write the cases of these (type code, entity id), until the end of the transaction."""
    wait_for(*(f"cases of {code} in {entity_id}" for code, entity_id in sorted(set(causes))))


def sweep(code: str, scope: Scope, *, ended_by: User | None = None, ending: str = "") -> Swept:
    """Make the live cases of one type equal to what its detector finds now within the scope.

    With subjects in the scope no other case is touched, whatever the detector yields. A second sweep writes no row.
    Cases whose cause is gone are cleared; with `ended_by` they are resolved by that person, in the words `ending`. Where
    the type doubts what it reads now, they stay.
    Raises DetectorFailed; nothing is changed then.
    """
    kind = REGISTRY[code]
    with transaction.atomic(), connection.cursor() as cursor:
        hold([(code, scope.entity.pk)])
        cursor.execute("SELECT statement_timestamp()")
        (now,) = cursor.fetchone()
        here = {
            "type": code,
            "entity": scope.entity.pk,
            "subjects": None if scope.subjects is None else sorted(scope.subjects),
        }
        cursor.execute(statements.KNOWN_CASES, here)
        known = [(subject, Live(*figures)) for subject, *figures in cursor.fetchall()]
        live = {subject: case for subject, case in known if case.state != State.DISMISSED}
        found = _stage(cursor, kind, scope, live, now, always=bool(known))
        if not (found or known):  # as with most types in most companies
            return Swept()
        doubts = _doubts(kind, scope.entity)
        gone = [case for subject, case in live.items() if subject not in found and not _doubted(subject, doubts)]
        values = here | {
            "team": kind.team,
            "holds_back": kind.holds_back,
            "now": now,
            "actor": ended_by.pk if ended_by else None,
            "actor_name": ended_by.name if ended_by else "opsconsole",
            "gone": [case.id for case in gone],
            "gone_states": [case.state for case in gone],
            "doubted": list(doubts),
            "end_state": State.RESOLVED if ended_by else State.CLEARED,
            "ending": json.dumps(
                {"words": ending or _evidence_words(scope, len(found)), "checked_at": now.isoformat()}
            ),
        }
        refreshed = _ids(cursor, statements.REFRESH, values)
        slept = {case.id: case.currency for case in live.values() if case.state == State.SNOOZED}
        if changed := slept.keys() & set(refreshed):
            wake_above(changed, slept)
        ended = _ids(cursor, statements.END, values)
        if not kind.holds_back:
            cursor.execute(statements.FORGET_DISMISSALS, values)
        opened = _ids(cursor, statements.OPEN, values)
        cursor.execute(statements.DROP_FOUND)
    return Swept(opened_ids=opened, refreshed_ids=refreshed, ended_ids=ended)


def doubts_about(case: Case) -> list[str]:
    """Why the case could not end now even if nobody found its cause any more."""
    doubts = REGISTRY[case.type].doubts(case.entity) if case.is_live else {}
    return [words for pattern, words in doubts.items() if re.search(pattern, case.subject)]


def sweep_each(scopes: Mapping[str, Scope], *, ended_by: User | None = None, ending: str = "") -> dict[str, Swept]:
    """Several types in one transaction: all or none. {code: scope} to {code: Swept}."""
    with transaction.atomic():
        hold((code, scope.entity.pk) for code, scope in scopes.items())
        return {code: sweep(code, scope, ended_by=ended_by, ending=ending) for code, scope in sorted(scopes.items())}


def sweep_entity(entity: Entity) -> dict[str, Swept]:
    """Every type, each in its own transaction. A failing detector is reported, clears nothing and stops no other."""
    swept = {}
    for code in sorted(REGISTRY):
        try:
            swept[code] = sweep(code, Scope(entity=entity))
        except DetectorFailed:
            log.exception("The detector of %s failed for entity %s", code, entity.pk)
    return swept


def _stage(
    cursor, kind: ExceptionType, scope: Scope, live: dict[str, Live], now: datetime, *, always: bool
) -> set[str]:
    """Put the findings, each with its worth, deadline and score, into a temporary table; their subjects.

    Without findings there is a table only if `always`.
    """
    found: set[str] = set()
    try:
        findings = _within(scope, kind.detect(scope))
        # A detector may read from the same connection between two batches, but not while COPY holds it.
        batch = list(islice(findings, BATCH))
        if not (batch or always):
            return found
        cursor.execute(statements.CREATE_FOUND)
        rates, zone = rates_of(scope.entity), ZoneInfo(scope.entity.zone)
        while batch:
            with cursor.copy(statements.COPY_FOUND) as copy:
                for finding in batch:
                    copy.write_row(_row(kind, finding, live.get(finding.subject), now, rates, zone))
            found.update(finding.subject for finding in batch)
            batch = list(islice(findings, BATCH))
    except Exception as error:  # detectors are many and written by others: whatever one raises is its failure
        raise DetectorFailed(kind) from error
    if len(found) >= ANALYZE_FROM:
        cursor.execute(statements.ANALYZE_FOUND)
    return found


def _doubts(kind: ExceptionType, entity: Entity) -> dict[str, str]:
    try:
        return kind.doubts(entity)
    except Exception as error:  # as with the detector itself
        raise DetectorFailed(kind) from error


def _doubted(subject: str, doubts: Iterable[str]) -> bool:
    return any(re.search(pattern, subject) for pattern in doubts)


def _within(scope: Scope, findings: Iterator[Finding]) -> Iterator[Finding]:
    return (finding for finding in findings if scope.subjects is None or finding.subject in scope.subjects)


def _row(
    kind: ExceptionType, finding: Finding, case: Live | None, now: datetime, rates: rules.Rates, zone: ZoneInfo
) -> tuple:
    """The rate is that of the day the case opened: no case moves by time alone."""
    opened_at = case.opened_at if case else now
    due_at = finding.due_at or opened_at + (finding.respond_within or kind.respond_within)
    worth, rate_known = rates.worth(finding.stake, finding.currency, opened_at.astimezone(zone).date())
    return (
        finding.subject,
        finding.diagnosis or kind.diagnosis,
        json.dumps(finding.facts, allow_nan=False),
        finding.lines,
        finding.stake,
        finding.currency,
        worth,
        rate_known,
        due_at,
        rules.score(worth, kind.floor, due_at),
        *((case.id, case.lines, case.stake, case.currency) if case else (None,) * len(statements.WAS)),
    )


def _evidence_words(scope: Scope, found: int) -> str:
    if scope.subjects is not None:
        return "A check of this cause finds it gone."
    others = f"{found:,} of this kind" if found else "none of this kind"
    return f"A check of all of {scope.entity.name} finds {others}, and this one is gone."


def _ids(cursor, statement: str, values: dict) -> tuple[int, ...]:
    cursor.execute(statement, values)
    return tuple(identity for (identity,) in cursor.fetchall())
