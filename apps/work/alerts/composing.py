"""What a message says: a subject, and lines with the link to what can be done. Plain words, no buyer's data."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.urls import reverse

from apps.core import money
from apps.core.models import Entity
from apps.core.permissions import Team
from apps.exceptions.models import Case
from apps.exceptions.types import REGISTRY
from apps.work.alerts.floods import ALL, moment, trend
from apps.work.alerts.rules import Kind, Severity

SHOWN = 5
LONGEST_SUBJECT = 300
Line = tuple[str, str]  # words, path of the link or ""


@dataclass(frozen=True, kw_only=True)
class Message:
    subject: str
    body: Sequence[Line]


@dataclass(frozen=True, kw_only=True)
class Told:
    """A case, and as what it is told."""

    case: Case
    kinds: Collection[Kind]


def title_of(code: str) -> str:
    return REGISTRY[code].title if code in REGISTRY else code


def case_path(case: Case) -> str:
    """The case with the action that its type recommends, or its first one."""
    able = [action.name for action in case.kind.actions if action.available(case)]
    recommended = case.kind.recommends(case)[0] if case.kind.recommends else ""
    action = recommended if recommended in able else next(iter(able), "")
    return reverse("case", args=[case.pk]) + (f"?action={action}" if action else "")


def queue_path(team: str, code: str = "") -> str:
    return reverse("queue", args=[team]) + (f"?type={code}" if code else "")


def stakes(cases: Iterable[Case]) -> str:
    """£1,293.68 + €46.40, or nothing."""
    sums: dict[str, Decimal] = {}
    for case in cases:
        sums[case.currency] = sums.get(case.currency, Decimal(0)) + case.stake
    return sums_in_words(sums)


def sums_in_words(sums: dict[str, Decimal]) -> str:
    """Currencies are never added together; the largest comes first."""
    ordered = sorted(((amount, currency) for currency, amount in sums.items() if amount), reverse=True)
    return " + ".join(money.words(amount, currency) for amount, currency in ordered)


def about_cases(told: Sequence[Told], severity: Severity, entity: Entity, now: datetime) -> Message:
    """One case with its action, or several of one type. The most costly come first."""
    told = sorted(told, key=lambda one: -one.case.score)
    if len(told) == 1:
        return _about_one(told[0], severity, entity, now)
    first, kinds = told[0].case, {kind for one in told for kind in one.kinds}
    stake = stakes(one.case for one in told)
    subject = f"{_standing(severity, kinds)}: {len(told):,} × {first.kind.title}{stake and f', {stake} at stake'}"
    body = [(one.case.kind.headline(one.case), case_path(one.case)) for one in told[:SHOWN]]
    more = len(told) - SHOWN
    body.append((f"And {more:,} more in the queue" if more > 0 else "All of this kind", queue_path(first.team, first.type)))
    return _message(subject, [*body, *_escalating(first, kinds)], entity)


def about_flood(
    *, code: str, team: str, entity: Entity, usual: int, since: datetime, count: int, stake: str, now: datetime
) -> Message:
    title = title_of(code) if code != ALL else f"All kinds of {Team(team).label} exceptions"
    said = trend(title=title, usual=usual, since=since, count=count, now=now, zone=ZoneInfo(entity.zone))
    body = [(f"{said}.", ""), ("What opens of it from now on is in this message, until it calms.", "")]
    if stake:
        body.insert(1, (f"{stake} at stake.", ""))
    return _message(f"Flood. {said}", [*body, ("See them in the queue", queue_path(team, code))], entity)


def about_calm(*, code: str, team: str, entity: Entity, since: datetime, count: int, live: int, now: datetime) -> Message:
    title = title_of(code) if code != ALL else f"All kinds of {Team(team).label} exceptions"
    began = moment(since, now, ZoneInfo(entity.zone))
    said = f"{count:,} opened since {began}, {live:,} of them {'is' if live == 1 else 'are'} open still."
    return _message(f"Calm again: {title}", [(said, queue_path(team, code))], entity)


def _about_one(told: Told, severity: Severity, entity: Entity, now: datetime) -> Message:
    case, zone = told.case, ZoneInfo(entity.zone)
    headline = case.kind.headline(case)
    due = f"{'Due' if case.due_at > now else 'Was due'} {moment(case.due_at, now, zone)}."
    stake = f"{money.words(case.stake, case.currency)} at stake. " if case.stake else ""
    path = case_path(case)
    action = next((action.label for action in case.kind.actions if path.endswith(f"?action={action.name}")), "Open the case")
    body = [(f"{stake}{due}", ""), (case.kind.runbook.impact, ""), *_escalating(case, told.kinds), (action, path)]
    return _message(f"{_standing(severity, told.kinds)}: {headline}", body, entity)


def _standing(severity: Severity, kinds: Collection[Kind]) -> str:
    """The most pressing reason."""
    for kind, words in (
        (Kind.LAPSED, "Let go with the deadline near"),
        (Kind.UNHELD, "Nobody is on it"),
        (Kind.PAST, "Past its deadline"),
        (Kind.NEAR, "Due soon"),
    ):
        if kind in kinds:
            return f"{severity.label}, {words[0].lower()}{words[1:]}"
    return severity.label


def _escalating(case: Case, kinds: Collection[Kind]) -> list[Line]:
    return [(case.kind.runbook.escalate, "")] if any(kind.escalates for kind in kinds) else []


def _message(subject: str, body: Sequence[Line], entity: Entity) -> Message:
    """One line, whatever a record brought along: a subject with a line end would be another header of the mail."""
    return Message(subject=" ".join(f"{subject} · {entity.name}".split())[:LONGEST_SUBJECT], body=body)
