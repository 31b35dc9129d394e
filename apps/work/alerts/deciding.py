"""What each channel is told now: the beat asks every minute, and writes messages before they leave."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Max, Min, Sum
from django.utils import timezone

from apps.core.locks import wait_for
from apps.exceptions.models import LIVE, Case
from apps.work.alerts import composing, digests, floods, outbox, rules
from apps.work.alerts.candidates import occasions
from apps.work.alerts.channels import policy_of
from apps.work.alerts.composing import Told
from apps.work.alerts.models import Alert, AlertCase, Channel
from apps.work.alerts.quiet import leaves_at
from apps.work.alerts.rules import Group, Occasion, Policy, Severity

LEFT = (Alert.State.WAITING, Alert.State.SENT)  # or will


@transaction.atomic
def decide(channel_id: int, now: datetime | None = None) -> None:
    """Write what the channel is to be told. A second call in the same minute writes nothing new."""
    wait_for(f"alerts of channel {channel_id}")
    channel = Channel.objects.select_related("entity").filter(pk=channel_id, active=True).first()
    if channel is None:
        return
    now, policy = now or timezone.now(), policy_of(channel.entity)
    found = occasions(channel, policy, now)
    flooded = {} if channel.escalations else _turn_of_the_tide(channel, policy, found, now)
    levels = {kind: _level(flood) for kind, flood in flooded.items()}
    decision = rules.decide(found, _recent(channel, now), levels)
    for group in (*decision.messages, *decision.louder):
        _tell(channel, group, now)
    for group in decision.silent:
        _tell(channel, group, now, silent=True)
    _join(channel, decision.joined, flooded)
    digests.write_due(channel, policy, now)
    Channel.objects.filter(pk=channel.pk).update(looked_at=now)


def _tell(channel: Channel, group: Group, now: datetime, *, silent: bool = False) -> None:
    cases = Case.objects.select_related("entity").in_bulk([one.case for one in group.occasions])
    told = [Told(case=cases[one.case], kinds={mark.kind for mark in one.marks}) for one in group.occasions]
    message = composing.about_cases(told, group.severity, channel.entity, now)
    first = min(group.occasions, key=lambda one: one.case)
    mark = first.marks[0]
    holder = first.holder
    alert = outbox.write(
        channel=channel,
        kind=Alert.Kind.ESCALATION if group.escalates else Alert.Kind.IMMEDIATE,
        key=f"{channel.pk}:case:{first.case}:{mark.kind.name.lower()}:{mark.severity}",
        type=group.type,
        severity=group.severity,
        message=message,
        person_id=group.person,
        now=now,
        leaves_at=leaves_at(now, channel.quiet, [one.due_at for one in group.occasions]),
        silence=f"{holder} is on it." if silent else "",
    )
    _mark({alert.pk: group.occasions}, channel)


def _join(channel: Channel, joined: Iterable[Occasion], on: Mapping[str, Alert]) -> None:
    members: dict[int, list[Occasion]] = {}
    for one in joined:
        members.setdefault(on[one.flood_in(on)].pk, []).append(one)
    _mark(members, channel)


def _mark(members: Mapping[int, Sequence[Occasion]], channel: Channel) -> None:
    rows = [
        AlertCase(alert_id=alert, channel=channel, case_id=one.case, kind=mark.kind, severity=mark.severity)
        for alert, found in members.items()
        for one in found
        for mark in one.marks
    ]
    AlertCase.objects.bulk_create(rows, batch_size=2000)


def _recent(channel: Channel, now: datetime) -> dict[rules.About, Severity]:
    rows = (
        Alert.objects.filter(channel=channel, kind__in=[Alert.Kind.IMMEDIATE, Alert.Kind.ESCALATION])
        .filter(state__in=LEFT, created_at__gt=now - rules.GATHER)
        .values_list("type", "kind", "person")
        .annotate(Max("severity"))
        .order_by()
    )
    return {
        rules.About(kind, how == Alert.Kind.ESCALATION, person): Severity(severity) for kind, how, person, severity in rows
    }


def _level(flood: Alert) -> Severity:
    """How loud it was so far: what broke through it and then stayed silent made it no louder."""
    broke_through = Alert.objects.filter(
        channel=flood.channel_id, kind=Alert.Kind.IMMEDIATE, type=flood.type, created_at__gt=flood.created_at, state__in=LEFT
    )
    loudest = broke_through.aggregate(Max("severity"))["severity__max"]
    return Severity(max(flood.severity, loudest or 0))


def _turn_of_the_tide(channel: Channel, policy: Policy, found: Sequence[Occasion], now: datetime) -> dict[str, Alert]:
    """Begin and end floods; {type: its message} of those that are on."""
    on = {flood.type: flood for flood in Alert.objects.filter(channel=channel, kind=Alert.Kind.FLOOD, calm_at=None)}
    cases = Case.objects.filter(entity=channel.entity_id, team=channel.team)
    hour = cases.filter(opened_at__gt=max(now - floods.WINDOW, channel.watched_from), opened_at__lte=now)
    opened = dict(hour.values_list("type").annotate(Count("id")).order_by())
    usual: dict[str, int] = {}
    if on or sum(opened.values()) > min(policy.flood_least, policy.flood_team):
        before = cases.filter(opened_at__gt=now - floods.USUAL_OVER, opened_at__lte=now - floods.WINDOW)
        usual = dict(before.values_list("type").annotate(Count("id")).order_by())
    tide = floods.tide(opened, usual, {kind: flood.created_at for kind, flood in on.items()}, policy, now)
    for kind in tide.calms:
        _calm(channel, on.pop(kind), now)
    for kind in sorted(tide.begins, reverse=True):  # that of all types last: it counts what has no flood of its own
        severity = rules.flood_severity(kind, on, found)
        if severity >= channel.least:
            on[kind] = _begin(channel, kind, usual.get(kind, 0) if kind else sum(usual.values()), severity, hour, now)
    return on


def _begin(channel: Channel, kind: str, usual: int, severity: Severity, hour, now: datetime) -> Alert:
    of_kind = hour.filter(type=kind) if kind else hour
    seen = of_kind.aggregate(since=Min("opened_at"), count=Count("id"))
    stakes = dict(of_kind.filter(state__in=LIVE).values_list("currency").annotate(Sum("stake")).order_by())
    message = composing.about_flood(
        code=kind,
        severity=severity,
        team=channel.team,
        entity=channel.entity,
        usual=usual,
        stake=composing.sums_in_words(stakes),
        now=now,
        **seen,
    )
    return outbox.write(
        channel=channel,
        kind=Alert.Kind.FLOOD,
        key=f"{channel.pk}:flood:{kind}:{now.isoformat()}",
        type=kind,
        severity=severity,
        message=message,
        now=now,
        leaves_at=leaves_at(now, channel.quiet, []),
        usual=usual,
    )


def _calm(channel: Channel, flood: Alert, now: datetime) -> None:
    since = flood.created_at - floods.WINDOW
    cases = Case.objects.filter(entity=channel.entity_id, team=channel.team, opened_at__gt=since, opened_at__lte=now)
    cases = cases.filter(type=flood.type) if flood.type else cases
    flood.calm_at = now
    flood.save(update_fields=["calm_at"])
    message = composing.about_calm(
        code=flood.type,
        team=channel.team,
        entity=channel.entity,
        since=cases.aggregate(at=Min("opened_at"))["at"] or flood.created_at,
        count=cases.count(),
        live=cases.filter(state__in=LIVE).count(),
        now=now,
    )
    outbox.write(
        channel=channel,
        kind=Alert.Kind.FLOOD,
        key=f"{channel.pk}:calm:{flood.pk}",
        type=flood.type,
        severity=flood.severity,
        message=message,
        now=now,
        leaves_at=leaves_at(now, channel.quiet, []),
        calm_at=now,
    )

