"""What a channel would have sent in the last days, from the cases and the audit trail."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from apps.core.models import AuditEntry
from apps.core.words import counted, listed
from apps.exceptions.models import Case, State
from apps.work.alerts import floods
from apps.work.alerts.candidates import watch_of
from apps.work.alerts.composing import title_of
from apps.work.alerts.models import Channel
from apps.work.alerts.replay import Past, Sent, Sort, Spell, replay
from apps.work.alerts.rules import Policy, Severity, Watch, severity_of

OVER = timedelta(days=7)
MOST = 5000  # cases looked at, the newest
NAMED = 12  # messages that a preview lists
MOVES = ("case.claimed", "case.released", "case.snoozed", "case.woken", "case.handed-over", "case.put-back", "case.returned")


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """`sent` newest first. `capped`: there were more cases than are looked at."""

    sent: Sequence[Sent]
    since: datetime
    capped: bool

    @property
    def counts(self) -> Counter:
        return Counter(sent.sort for sent in self.sent)

    @property
    def named(self) -> list[tuple[Sent, str]]:
        """The newest, each with what it would have been about."""
        return [(sent, in_words(sent)) for sent in self.sent[:NAMED]]

    @property
    def left(self) -> int:
        return sum(count for sort, count in self.counts.items() if sort != Sort.SILENT)

    @property
    def says(self) -> str:
        """4 messages would have left in the last 7 days: 3 at once and 1 flood. 2 would have stayed silent."""
        parts = [f"{count} {sort.value.lower()}" for sort, count in self.counts.items() if sort != Sort.SILENT]
        said = f"{counted(self.left, 'message')} would have left in the last {OVER.days} days"
        said += f": {listed(parts)}." if parts else "."
        if silent := self.counts[Sort.SILENT]:
            said += f" {silent} would have stayed silent, because somebody was on it or it had ended."
        return said + (f" Of the newest {MOST:,} cases." if self.capped else "")


def dry_run(channel: Channel, policy: Policy, now: datetime) -> DryRun:
    """With the channel's settings as they stand on the object, saved or not. Cases count by what they are worth now."""
    since = now - OVER
    mine = Case.objects.filter(entity=channel.entity_id, team=channel.team)
    wanted = mine.filter(Q(ended_at=None) | Q(ended_at__gt=since), opened_at__lte=now).order_by("-opened_at", "-id")
    cases = list(wanted[: MOST + 1])
    spells = _spells(cases[:MOST], now)
    history = [
        Past(
            id=case.pk,
            type=case.type,
            severity=severity_of(case.worth, case.holds_back, policy),
            opened_at=case.opened_at,
            due_at=case.due_at,
            ended_at=case.ended_at,
            spells=tuple(spells.get(case.audit_subject, ())),
        )
        for case in cases[:MOST]
    ]
    openings: dict[str, list[datetime]] = {}
    opened = mine.filter(opened_at__gt=since - floods.USUAL_OVER, opened_at__lte=now).order_by("opened_at")
    for kind, at in opened.values_list("type", "opened_at"):
        openings.setdefault(kind, []).append(at)
    now_watching = watch_of(channel)
    sent = replay(
        history,
        openings,
        watch=Watch(
            least=Severity(channel.least), since=since, tells=now_watching.tells, escalates=now_watching.escalates
        ),
        policy=policy,
        quiet=channel.quiet,
        until=now,
    )
    return DryRun(sent=sent[::-1], since=since, capped=len(cases) > MOST)


def in_words(sent: Sent) -> str:
    """3 × Settlement fee has no ledger account"""
    title = title_of(sent.type) if sent.type else "All kinds"
    return f"{len(sent.cases)} × {title}" if len(sent.cases) > 1 else title


def _spells(cases: Sequence[Case], now: datetime) -> Mapping[str, list[Spell]]:
    """{audit subject: when somebody was on it, or it slept}"""
    subjects = [case.audit_subject for case in cases]
    entries = AuditEntry.objects.filter(subject__in=subjects, verb__in=MOVES).order_by("id")
    found: dict[str, list[Spell]] = {}
    begun: dict[str, tuple[datetime, str]] = {}
    for entry in entries.values("subject", "verb", "at", "actor_name", "before"):
        subject, at = entry["subject"], entry["at"]
        if subject in begun:
            since, holder = begun.pop(subject)
            lapsed = entry["verb"] == "case.woken" and entry["before"].get("state") == State.CLAIMED
            found.setdefault(subject, []).append(Spell(begins=since, ends=at, holder=holder, lapsed=lapsed))
        if entry["verb"] in ("case.claimed", "case.snoozed"):
            begun[subject] = (at, entry["actor_name"] if entry["verb"] == "case.claimed" else "")
    for subject, (since, holder) in begun.items():
        found.setdefault(subject, []).append(Spell(begins=since, ends=now + OVER, holder=holder))
    return found
