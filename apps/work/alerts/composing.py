"""What a message says: a subject, and lines with the link to what can be done. Plain words, no buyer's data."""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import transaction
from django.urls import reverse

from apps.core import money
from apps.core.models import Entity
from apps.core.permissions import Team
from apps.core.words import counted
from apps.exceptions.models import Case
from apps.exceptions.types import REGISTRY
from apps.work.alerts.floods import moment, trend
from apps.work.alerts.rules import ALL, Kind, Severity

log = logging.getLogger(__name__)

SHOWN = 5
LONGEST_SUBJECT = 300
OPEN_IT = "Open the case"
Line = tuple[str, str]  # words, path of the link or ""


@dataclass(frozen=True, kw_only=True)
class Message:
    subject: str
    body: Sequence[Line]


@dataclass(frozen=True, kw_only=True)
class Worded:
    """What is said of one case: `action` is what the link to it, `path`, is called."""

    headline: str
    path: str
    action: str = OPEN_IT
    impact: str = ""
    escalate: str = ""


@dataclass(frozen=True, kw_only=True)
class Told:
    """A case, and as what it is told."""

    case: Case
    kinds: Collection[Kind]


def title_of(code: str) -> str:
    return REGISTRY[code].title if code in REGISTRY else code


def _title(code: str, team: str) -> str:
    return title_of(code) if code != ALL else f"All kinds of {Team(team).label} exceptions"


def worded(case: Case) -> Worded:
    """The case in the words of its type. Where those raise, that is reported with the case, which is told all the same."""
    try:
        with transaction.atomic():  # so that a statement of theirs that fails is theirs alone
            return _as_its_type_says(case)
    except Exception:  # types are many and written by others: whatever the words of one raise stops no message
        log.exception("The words of case %s failed", case.pk)
        return Worded(headline=f"{title_of(case.type)}, exception {case.pk}", path=reverse("case", args=[case.pk]))


def _as_its_type_says(case: Case) -> Worded:
    """With the action that it recommends, or its first one."""
    kind, path = case.kind, reverse("case", args=[case.pk])
    able = [action for action in kind.actions if action.available(case)]
    recommended = kind.recommends(case)[0] if kind.recommends else ""
    action = next((action for action in able if action.name == recommended), next(iter(able), None))
    return Worded(
        headline=kind.headline(case),
        path=f"{path}?action={action.name}" if action else path,
        action=action.label if action else OPEN_IT,
        impact=kind.runbook.impact,
        escalate=kind.runbook.escalate,
    )


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
    """One case with its action, or several, mostly of one type. The most costly come first."""
    told = sorted(told, key=lambda one: -one.case.score)
    if len(told) == 1:
        return _about_one(told[0], severity, entity, now)
    shown, kinds = [worded(one.case) for one in told[:SHOWN]], {kind for one in told for kind in one.kinds}
    types = {one.case.type for one in told}
    code, team = (types.pop() if len(types) == 1 else ALL), told[0].case.team
    stake = stakes(one.case for one in told)
    subject = f"{_standing(severity, kinds)}: {len(told):,} × {_title(code, team)}{stake and f', {stake} at stake'}"
    more = len(told) - SHOWN
    rest = f"And {more:,} more in the queue" if more > 0 else "All of this kind" if code else "All in the queue"
    body = [*((words.headline, words.path) for words in shown), (rest, queue_path(team, code))]
    return _message(subject, [*body, *_escalating(shown[0], kinds)], entity)


def about_returned(person: str, cases: Sequence[Case], entity: Entity) -> Message:
    """Cases of one team whose person has left it, the first by rank first."""
    stake, more = stakes(cases), len(cases) - SHOWN
    number = counted(len(cases), "exception")
    subject = f"Back with the team: {number} of {person}{f', {stake} at stake' if stake else ''}"
    body = [(f"{person} does not work on them any more. Nobody has them now.", "")]
    body += [(words.headline, words.path) for words in map(worded, cases[:SHOWN])]
    rest = f"And {more:,} more in the queue" if more > 0 else "All in the queue"
    return _message(subject, [*body, (rest, queue_path(cases[0].team))], entity)


def about_flood(
    *,
    code: str,
    severity: Severity,
    team: str,
    entity: Entity,
    usual: int,
    since: datetime,
    count: int,
    stake: str,
    now: datetime,
) -> Message:
    said = trend(title=_title(code, team), usual=usual, since=since, count=count, now=now, zone=ZoneInfo(entity.zone))
    louder = "" if severity == Severity.CRITICAL else " What is critical still comes by itself, once."
    body = [(f"{said}.", ""), (f"What opens of it from now on is in this message, until it calms.{louder}", "")]
    if stake:
        body.insert(1, (f"{stake} at stake.", ""))
    flood = "Critical flood" if severity == Severity.CRITICAL else "Flood"
    return _message(f"{flood}. {said}", [*body, ("See them in the queue", queue_path(team, code))], entity)


def about_calm(*, code: str, team: str, entity: Entity, since: datetime, count: int, live: int, now: datetime) -> Message:
    began = moment(since, now, ZoneInfo(entity.zone))
    said = f"{count:,} opened since {began}, {live:,} of them {'is' if live == 1 else 'are'} open still."
    return _message(f"Calm again: {_title(code, team)}", [(said, queue_path(team, code))], entity)


def _about_one(told: Told, severity: Severity, entity: Entity, now: datetime) -> Message:
    case, words = told.case, worded(told.case)
    due = f"{'Due' if case.due_at > now else 'Was due'} {moment(case.due_at, now, ZoneInfo(entity.zone))}."
    stake = f"{money.words(case.stake, case.currency)} at stake. " if case.stake else ""
    body = [(f"{stake}{due}", ""), *((said, "") for said in (words.impact,) if said), *_escalating(words, told.kinds)]
    return _message(
        f"{_standing(severity, told.kinds)}: {words.headline}", [*body, (words.action, words.path)], entity
    )


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


def _escalating(words: Worded, kinds: Collection[Kind]) -> list[Line]:
    return [(words.escalate, "")] if words.escalate and any(kind.escalates for kind in kinds) else []


def _message(subject: str, body: Sequence[Line], entity: Entity) -> Message:
    """One line, whatever a record brought along: a subject with a line end would be another header of the mail."""
    return Message(subject=" ".join(f"{subject} · {entity.name}".split())[:LONGEST_SUBJECT], body=body)
