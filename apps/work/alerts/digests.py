"""A team's morning in one message: what is new, late, due and unheld, what ended by itself, and what comes more often."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count, Q, Sum
from django.urls import reverse

from apps.core.permissions import Team
from apps.core.words import counted
from apps.exceptions.models import IS_LIVE, Case, State
from apps.work.alerts import composing, floods, outbox
from apps.work.alerts.channels import says_all_clear
from apps.work.alerts.composing import Line, Message
from apps.work.alerts.models import Alert, Channel
from apps.work.alerts.rules import Policy, Severity
from apps.work.shifts.models import ShiftNote

DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)
TOP = 3
TIMES_USUAL = 3


def write_due(channel: Channel, policy: Policy, now: datetime) -> None:
    """Write today's digest once its hour has come, once."""
    if channel.digest_at is None:
        return
    zone = ZoneInfo(channel.entity.zone)
    here = now.astimezone(zone)
    due = datetime.combine(here.date(), channel.digest_at, zone)
    key = f"{channel.pk}:digest:{here.date().isoformat()}"
    if now < due or channel.watched_from > due or Alert.objects.filter(key=key).exists():
        return
    message = _message(channel, policy, now)
    silence = "" if message.body or says_all_clear(channel.entity) else "There was nothing to say."
    outbox.write(
        channel=channel,
        kind=Alert.Kind.DIGEST,
        key=key,
        severity=Severity.LOW,
        message=message if message.body else Message(subject=message.subject, body=[("Nothing waits. All clear.", "")]),
        now=now,
        leaves_at=now,
        silence=silence,
    )


def _message(channel: Channel, policy: Policy, now: datetime) -> Message:
    """Without lines where there is nothing to say."""
    zone = ZoneInfo(channel.entity.zone)
    here = now.astimezone(zone)
    midnight = datetime.combine(here.date() + DAY, datetime.min.time(), zone)
    cases = Case.objects.filter(entity=channel.entity_id, team=channel.team)
    waiting = IS_LIVE & ~Q(state=State.SNOOZED)
    seen = cases.aggregate(
        live=Count("id", filter=waiting),
        new=Count("id", filter=waiting & Q(opened_at__gt=now - DAY)),
        overdue=Count("id", filter=waiting & Q(due_at__lt=now)),
        today=Count("id", filter=waiting & Q(due_at__gte=now, due_at__lt=midnight)),
        unheld=Count("id", filter=waiting & Q(state=State.OPEN, assigned_to=None)),
        ended=Count("id", filter=Q(ended_at__gt=now - DAY)),
        healed=Count("id", filter=Q(ended_at__gt=now - DAY, state=State.CLEARED)),
    )
    stakes = dict(cases.filter(waiting).values_list("currency").annotate(Sum("stake")).order_by())
    queue = composing.queue_path(channel.team)
    said = [
        (seen["overdue"], "past the deadline", f"{queue}?due=overdue"),
        (seen["today"], "due today", f"{queue}?due=today"),
        (seen["new"], "new since yesterday", f"{queue}?opened=day"),
        (seen["unheld"], "held by nobody", f"{queue}?view=nobody"),
    ]
    body: list[Line] = [(f"{count:,} {words}", path) for count, words, path in said if count]
    if seen["ended"]:
        share = f"{100 * seen['healed'] // seen['ended']} %"
        body.append((f"{counted(seen['ended'], 'exception')} ended, {seen['healed']:,} of them by themselves ({share}).", ""))
    if stake := composing.sums_in_words(stakes):
        body.append((f"{stake} at stake in {counted(seen['live'], 'exception')}.", ""))
    body += [(f"{line}.", f"{queue}?type={code}") for code, line in _rising(channel, policy, now)]
    body += _left_lying(channel, now)
    top = Case.objects.live().filter(waiting, entity=channel.entity_id, team=channel.team).select_related("entity")
    for place, case in enumerate(top.by_rank()[:TOP], 1):
        words = composing.worded(case)
        body.append((f"{place}. {words.headline}", words.path))
    team = Team(channel.team).label
    finding = ", ".join(f"{count:,} {words}" for count, words, _ in said[:2] if count) or counted(seen["live"], "exception")
    return Message(subject=f"{team}, {here:%a} {here.day} {here:%b}: {finding} · {channel.entity.name}", body=body)


def _left_lying(channel: Channel, now: datetime) -> list[Line]:
    """The note between shifts that waits for longer than a shift, if there is one."""
    zone, waiting = ZoneInfo(channel.entity.zone), ShiftNote.objects.waiting()
    notes = waiting.filter(entity=channel.entity_id, team=channel.team).select_related("written_by")
    return [
        (
            f"Nobody has taken over what {note.written_by.name} left {floods.moment(note.written_at, now, zone)}.",
            reverse("shift", args=[note.pk]),
        )
        for note in notes
        if note.is_late(now)
    ]


def _rising(channel: Channel, policy: Policy, now: datetime) -> list[tuple[str, str]]:
    """(type, its trend in words) where a week brought several times the usual."""
    cases = Case.objects.filter(entity=channel.entity_id, team=channel.team)
    week = dict(cases.filter(opened_at__gt=now - WEEK).values_list("type").annotate(Count("id")).order_by())
    before = cases.filter(opened_at__gt=now - WEEK - floods.USUAL_OVER, opened_at__lte=now - WEEK)
    usual = dict(before.values_list("type").annotate(Count("id")).order_by())
    rising = [
        code for code, count in week.items() if count > max(policy.flood_least, TIMES_USUAL * usual.get(code, 0) / 4)
    ]
    zone, found = ZoneInfo(channel.entity.zone), []
    opened: dict[str, list[datetime]] = {}
    for code, at in cases.filter(opened_at__gt=now - WEEK, type__in=rising).values_list("type", "opened_at"):
        opened.setdefault(code, []).append(at)
    for code, instants in sorted(opened.items()):
        since = floods.onset(instants, usual.get(code, 0), zone)
        said = floods.trend(
            title=composing.title_of(code),
            usual=usual.get(code, 0),
            since=since,
            count=sum(at >= since for at in instants),
            now=now,
            zone=zone,
        )
        found.append((code, said))
    return found
