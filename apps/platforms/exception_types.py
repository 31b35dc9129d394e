"""event.dead-letter: records that an integration platform has given up on, one case for each cause."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

from django.db import connection

from apps.core.models import User
from apps.core.money import ZERO, plain
from apps.core.permissions import RUN_JOBS, Team
from apps.core.words import counted
from apps.exceptions.forms import NoForm, ReasonForm
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import Action, ExceptionType, Finding, Plan, Runbook, Scope, digest, register
from apps.integrations.words import instant, span
from apps.platforms import operations, rules, statements
from apps.platforms.intake import CODE
from apps.platforms.models import FailedRecord, Platform

NAMED = 25
SHOWN = 25
MOST_STAKE = Decimal(10) ** 11  # so that a case holds its worth in any currency; the facts have the whole sum
MINUTE = timedelta(minutes=1)


class Group(NamedTuple):
    """A row of OPEN_BY_CAUSE: the open records of one cause in one currency."""

    cause: str
    connection_id: int
    connection: str
    flow: str
    currency: str
    count: int
    amount: Decimal | None
    unpriced: int
    failures: int
    asked: int
    silent: int
    asked_at: datetime | None
    first: datetime
    oldest: datetime
    newest: datetime
    abouts: list[str]
    code: str
    words: str
    refused: str
    amazon: int


def failed_records(scope: Scope) -> Iterator[Finding]:
    values = {"entity": scope.entity.pk, "named": NAMED, "silent": rules.SILENT_AFTER}
    with connection.cursor() as cursor:
        causes = None if scope.subjects is None else sorted(scope.subjects)
        cursor.execute(statements.OPEN_BY_CAUSE, values | {"causes": causes})
        rows = [Group(*row) for row in cursor.fetchall()]
    for cause, found in groupby(rows, key=lambda row: row.cause):
        yield _finding(cause, list(found), scope.entity.base_currency)


def _finding(cause: str, groups: list[Group], base: str) -> Finding:
    newest = max(groups, key=lambda group: group.newest)
    lines = sum(group.count for group in groups)
    amounts = {group.currency: group.amount for group in groups if group.amount is not None}
    largest = max(sorted(amounts), key=amounts.__getitem__, default=base)
    asked = [group.asked_at for group in groups if group.asked_at]
    diagnosis, reasons = _judged(newest, groups, lines)
    return Finding(
        subject=cause,
        currency=largest,
        stake=min(amounts.get(largest, ZERO), MOST_STAKE),
        lines=lines,
        diagnosis=diagnosis,
        facts={
            "connection_id": newest.connection_id,
            "connection": newest.connection,
            "flow": newest.flow,
            "code": newest.code,
            "words": newest.words,
            "asked": sum(group.asked for group in groups),
            "silent": sum(group.silent for group in groups),
            "asked_at": instant(min(asked)) if asked else "",
            "first": instant(min(group.first for group in groups)),
            "newest": instant(newest.newest),
            "amounts": {currency: plain(amount, currency) for currency, amount in amounts.items()},
            "unpriced": sum(group.unpriced for group in groups),
            "abouts": [about for group in groups for about in group.abouts][:NAMED],
            "refused": newest.refused,
            "reasons": reasons,
        },
    )


def _judged(newest: Group, groups: list[Group], lines: int) -> tuple[Diagnosis, list[tuple[str, bool]]]:
    """What it looks like, and what speaks for and against that: the platform's words, Amazon's minute, how often, how near."""
    said = rules.judged(newest.code, newest.words)
    diagnosis = Diagnosis(said.diagnosis)
    if diagnosis == Diagnosis.UNKNOWN and newest.amazon:
        diagnosis = Diagnosis.TRANSIENT
    passing = diagnosis == Diagnosis.TRANSIENT
    reasons = [(said.why, said.diagnosis == diagnosis)]
    if newest.amazon:
        calls = counted(newest.amazon, "call")
        reasons.append((f"Amazon did not answer {calls} of ours in the same minute: it may have been Amazon’s.", passing))
    again = sum(group.failures for group in groups) - lines
    if again:
        reasons.append((f"{counted(again, 'further try', 'further tries')} of them failed the same way.", not passing))
    if lines > 1 and max(group.newest for group in groups) - min(group.oldest for group in groups) <= MINUTE:
        reasons.append((f"All {lines:,} failed within one minute.", passing))
    return diagnosis, reasons


def headline(case: Case) -> str:
    facts = case.facts
    records = f"{counted(case.lines, 'record')} of {facts['flow']}"
    if facts["silent"] and case.is_live:
        silent = f"{counted(facts['silent'], 'record')} of {facts['flow']}"
        return f"{facts['connection']} says nothing of {silent} that it was asked to retry"
    if facts["asked"] == case.lines and case.is_live:
        return f"{facts['connection']} was asked to retry {records}, and has not said yet how that went"
    if case.lines > 1 and case.subject == rules.cause(facts["connection_id"], facts["flow"]):
        return f"{records} failed in {facts['connection']}, in words that differ for each"
    said = facts["words"] if case.lines == 1 else rules.in_general(facts["words"])
    return f"{records} failed in {facts['connection']}: {said}"


def platform_of(case: Case) -> Platform:
    return Platform.objects.select_related("connection__entity").get(connection=case.facts["connection_id"])


def to_ask(case: Case) -> list[FailedRecord]:
    return list(operations.to_ask(case.facts["connection_id"], case.subject)[: operations.MOST_ASKED])


def open_records(case: Case) -> list[FailedRecord]:
    found = FailedRecord.objects.filter(connection=case.facts["connection_id"], cause=case.subject)
    return list(found.filter(state__in=FailedRecord.OPEN).order_by("failed_at", "pk"))


def _can_ask(case: Case) -> bool:
    platform = platform_of(case)
    asks = platform.retries_to and not platform.refused_at
    return bool(asks) and operations.to_ask(platform.connection_id, case.subject).exists()


def _preview_retry(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
    platform, records = platform_of(case), to_ask(case)
    left = len(open_records(case)) - len(records)
    said = f"{platform.connection} is asked for each of them, once. A record stays here until it is reported as succeeded."
    if left:
        were = "were asked for already or come" if left != 1 else "was asked for already or comes"
        said += f" {counted(left, 'other')} {were} with the next retry."
    return Plan(
        effect=f"Retry {counted(len(records), 'record')} in {platform.connection}",
        says=said,
        digest=digest(platform.retries_to, [(record.pk, record.failures, record.state) for record in records]),
        detail={"records": records[:SHOWN], "count": len(records), "to": platform.retries_to},
    )


def _retry(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    platform = platform_of(case)
    asked = operations.ask_again(platform=platform, records=[record.pk for record in to_ask(case)], actor=actor)
    return f"{counted(asked, 'retry', 'retries')} leave for {platform.connection} now."


def _preview_by_hand(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
    records = open_records(case)
    return Plan(
        effect=f"Close {counted(len(records), 'record')}",
        says="Nothing is sent, and what has not left yet never does. A record that fails again comes back.",
        digest=digest([(record.pk, record.failures, record.state) for record in records]),
    )


def _by_hand(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    records = [record.pk for record in open_records(case)]
    place = platform_of(case).connection
    seen_to = operations.see_to(connection=place, records=records, actor=actor, reason=cleaned["reason"])
    return f"{counted(seen_to, 'record')} closed as done by hand."


RETRY = Action(
    name="retry",
    label="Retry",
    permission=RUN_JOBS,
    form=NoForm,
    preview=_preview_retry,
    run=_retry,
    clears=(CODE,),
    template="cases/platform_retry_plan.html",
    available=_can_ask,
)

BY_HAND = Action(
    name="by-hand",
    label="Close as done by hand",
    permission=RUN_JOBS,
    form=ReasonForm,
    preview=_preview_by_hand,
    run=_by_hand,
    clears=(CODE,),
)

DEAD_LETTER = register(ExceptionType(
    code=CODE,
    title="Records failed in an integration platform",
    counts="record",
    team=Team.OPS,
    diagnosis=Diagnosis.TRANSIENT,
    holds_back=True,
    floor=Decimal(100),
    respond_within=timedelta(days=1),
    detect=failed_records,
    headline=headline,
    panel="cases/platform_records.html",
    actions=(RETRY, BY_HAND),
    runbook=Runbook(
        impact="These records did not reach the system that they were meant for: an order that nobody ships, stock that "
        "nobody sees.",
        steps=(
            "Read the error. The evidence says whether it looks like our set-up, a system that was away, or Amazon.",
            "Structural: mend the cause first, in the system that the flow leads to or in the platform’s own mapping. A retry "
            "before that fails the same way.",
            "Retry the records. The platform runs them with what it holds now; some platforms run the flow as it was then, so "
            "look there if the same error comes again.",
            f"Wait for its report: each record ends when the platform says that it succeeded. After {span(rules.SILENT_AFTER)} "
            "without a word the case says so; look the record up by its link before you retry it again.",
            "If somebody entered a record by hand, close it here as done by hand, and say where.",
        ),
        prevention="Have the platform report successes too, and let it try the passing errors again by itself.",
        escalate="To whoever keeps the platform, with the link to one record, when a second retry ends the same way.",
    ),
))  # fmt: skip
