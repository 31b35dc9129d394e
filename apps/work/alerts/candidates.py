"""The live cases that a channel may have to be told of now: what is new since it was looked at, then the pure rules."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import (
    BigIntegerField,
    CharField,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models import Case as Choice
from django.db.models.functions import Cast, Coalesce, Concat, Substr

from apps.core.models import LETTING_GO, AuditEntry, User
from apps.core.permissions import Team
from apps.exceptions.models import Case, State
from apps.exceptions.operations import people_of
from apps.work.alerts.models import AlertCase, Channel
from apps.work.alerts.rules import GATHER, Kind, Mark, Occasion, Policy, Seen, Severity, Watch, occasion

# Looked at once more: what waits does so for GATHER, and what is written now bears the time at which its statement began.
OVERLAP = 2 * GATHER


def severity_in_sql(policy: Policy) -> Choice:
    """rules.severity_of of a case's row; a test holds the two together."""
    return Choice(
        When(worth__gte=policy.critical_from, then=Value(Severity.CRITICAL)),
        When(worth__gte=policy.high_from, then=Value(Severity.HIGH)),
        When(Q(worth__gte=policy.normal_from) | Q(holds_back=True), then=Value(Severity.NORMAL)),
        default=Value(Severity.LOW),
        output_field=IntegerField(),
    )


def watch_of(channel: Channel) -> Watch:
    """Where a team has a channel for escalations, its others take none; the first of the others tells people."""
    beside = Channel.objects.filter(entity=channel.entity_id, team=channel.team, active=True).order_by("pk")
    saved = beside.values_list("pk", "escalations")
    channels = [(key, channel.escalations if key == channel.pk else escalations) for key, escalations in saved]
    return Watch(
        least=Severity(channel.least),
        since=channel.watched_from,
        tells=not channel.escalations,
        escalates=channel.escalations or not any(escalations for _, escalations in channels),
        people=next((key for key, escalations in channels if not escalations), None) == channel.pk,
    )


def occasions(channel: Channel, policy: Policy, now: datetime) -> list[Occasion]:
    """What is to be told through the channel now. Six queries, however many cases there are; they read what came to be told
    since the last look, not all that is live.
    """
    watch = watch_of(channel)
    able = set(people_of([Team(channel.team)], [channel.entity_id]).values_list("pk", flat=True))
    new = list(_new(channel, watch, policy, able, now))  # as a list, so that the planner knows how few they are
    rows = list(_candidates(channel, watch, policy, now).filter(pk__in=new).select_related("claimed_by"))
    told = _told(channel, rows)
    let_go = _let_go(rows) if watch.escalates else {}
    seen = (_seen(row, told.get(row.pk, frozenset()), let_go.get(row.pk), able, now) for row in rows)
    return [found for one in seen if (found := occasion(one, watch, policy, now))]


def _new(channel: Channel, watch: Watch, policy: Policy, able: Collection[int], now: datetime) -> QuerySet[Case, int]:
    """Ids of the cases for which something has come since the last look: they changed, a deadline came near or passed, nobody
    has had them for as long as a severity allows, or whose they are has left the team. Each is a stretch of an index.
    """
    since = (channel.looked_at or watch.since) - OVERLAP
    mine = Case.objects.live().filter(entity=channel.entity_id, team=channel.team)
    gone = User.objects.exclude(pk__in=able)
    found = [
        mine.filter(changed_at__gt=since),
        mine.filter(due_at__gt=since, due_at__lte=now),
        mine.filter(due_at__gt=since + policy.near, due_at__lte=now + policy.near),
        mine.filter(assigned_to__in=gone.values("pk")),
    ]
    ids = [cases.values_list("pk", flat=True) for cases in found]
    entries = AuditEntry.objects.filter(entity=channel.entity_id, verb__in=LETTING_GO).order_by()
    subject_id = Cast(Substr("subject", len("case:") + 1), BigIntegerField())
    for patience in {policy.unheld(severity) for severity in Severity} if watch.escalates else ():
        ids.append(mine.filter(opened_at__gt=since - patience, opened_at__lte=now - patience).values_list("pk", flat=True))
        let_go = entries.filter(at__gt=since - patience, at__lte=now - patience)
        ids.append(let_go.annotate(case=subject_id).values_list("case", flat=True))
    return ids[0].union(*ids[1:])


def _candidates(channel: Channel, watch: Watch, policy: Policy, now: datetime):
    """Widely: the rules decide. What was told is asked before who let go, which costs more and of most cases is not needed."""
    told = AlertCase.objects.filter(channel=channel, case=OuterRef("pk"))
    subject = Concat(Value("case:"), Cast(OuterRef("pk"), CharField()))
    let_go = AuditEntry.objects.filter(subject=subject, verb__in=LETTING_GO).order_by("-id").values("at")[:1]
    cases = Case.objects.filter(entity=channel.entity_id, team=channel.team, state__in=[State.OPEN, State.CLAIMED])
    cases = cases.annotate(severity=severity_in_sql(policy)).filter(severity__gte=watch.least - 1, opened_at__lte=now)
    wanted = Q(pk__in=[])
    if watch.tells:
        as_new = told.filter(kind=Kind.NEW)
        wanted |= (
            Q(severity__gte=watch.least)
            & (Q(opened_at__gte=watch.since) | Exists(as_new))
            & ~Exists(as_new.filter(severity__gte=OuterRef("severity")))
        )
        near = Q(due_at__gte=watch.since + policy.near, due_at__lte=now + policy.near)
        wanted |= near & ~Exists(told.filter(kind=Kind.NEAR))
        wanted |= Q(due_at__gte=watch.since, due_at__lte=now) & ~Exists(told.filter(kind=Kind.PAST))
    if watch.escalates:
        patience = (policy.unheld_normal, policy.unheld_high, policy.unheld_critical)
        cases = cases.annotate(let_go=Subquery(let_go), unheld_since=Coalesce("let_go", F("opened_at")))
        nobody = Q(state=State.OPEN) & Q(severity__gte=watch.least)
        unheld = Q(unheld_since__lte=now - min(patience)) & (
            Q(unheld_since__gte=watch.since - max(patience)) | Q(assigned_to__isnull=False, due_at__gte=watch.since)
        )
        wanted |= nobody & ~Exists(told.filter(kind=Kind.UNHELD, severity__gte=OuterRef("severity"))) & unheld
        near = Q(due_at__lte=now + policy.near)
        wanted |= nobody & near & ~Exists(told.filter(kind=Kind.LAPSED)) & Q(let_go__isnull=False)
    return cases.filter(wanted)


def _told(channel: Channel, rows: list[Case]) -> dict[int, frozenset[Mark]]:
    found: dict[int, set[Mark]] = {}
    members = AlertCase.objects.filter(channel=channel, case__in=[row.pk for row in rows])
    for case, kind, severity in members.values_list("case_id", "kind", "severity"):
        found.setdefault(case, set()).add(Mark(Kind(kind), severity))
    return {case: frozenset(marks) for case, marks in found.items()}


def _let_go(rows: list[Case]) -> dict[int, AuditEntry]:
    """The newest entry about each case by which nobody held it any more."""
    entries = AuditEntry.objects.filter(subject__in=[row.audit_subject for row in rows], verb__in=LETTING_GO)
    newest = entries.order_by("subject", "-id").distinct("subject")
    return {int(entry.subject.removeprefix("case:")): entry for entry in newest}


def _seen(row: Case, told: frozenset[Mark], let_go: AuditEntry | None, able: Collection[int], now: datetime) -> Seen:
    """`able` are the ids of the team's people: whoever left it is told nothing, and the case is as nobody's."""
    held = row.state == State.CLAIMED and row.claimed_until > now
    return Seen(
        id=row.pk,
        type=row.type,
        severity=Severity(row.severity),
        opened_at=row.opened_at,
        due_at=row.due_at,
        unheld_since=let_go.at if let_go else row.opened_at,
        lapsed=bool(let_go) and let_go.verb == "case.woken" and let_go.before.get("state") == State.CLAIMED,
        holder=row.claimed_by.name if held else "",
        person=row.assigned_to_id if row.assigned_to_id in able else None,
        told=told,
    )
