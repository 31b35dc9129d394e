"""Where a team is told, what it was told, and a company's own measures for both."""

from zoneinfo import ZoneInfo

from django.db import models
from django.db.models.functions import Now

from apps.core.models import Entity, User
from apps.core.permissions import Team
from apps.exceptions.models import Case
from apps.integrations.models import Job
from apps.work.alerts.quiet import Quiet
from apps.work.alerts.rules import Kind, Policy, Severity

SEVERITIES = [(severity.value, severity.label) for severity in Severity]


class AlertPolicy(models.Model):
    """A company's own measures in place of those of apps.work.alerts.rules.Policy, whose fields these are."""

    entity = models.OneToOneField(Entity, models.CASCADE, related_name="alert_policy")
    normal_from = models.DecimalField(max_digits=18, decimal_places=2, default=Policy.normal_from)
    high_from = models.DecimalField(max_digits=18, decimal_places=2, default=Policy.high_from)
    critical_from = models.DecimalField(max_digits=18, decimal_places=2, default=Policy.critical_from)
    near = models.DurationField(default=Policy.near)
    unheld_normal = models.DurationField(default=Policy.unheld_normal)
    unheld_high = models.DurationField(default=Policy.unheld_high)
    unheld_critical = models.DurationField(default=Policy.unheld_critical)
    flood_factor = models.PositiveSmallIntegerField(default=Policy.flood_factor)
    flood_least = models.PositiveSmallIntegerField(default=Policy.flood_least)
    flood_team = models.PositiveSmallIntegerField(default=Policy.flood_team)
    all_clear = models.BooleanField(default=False, help_text="A digest also says that there is nothing")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(normal_from__gt=0, normal_from__lte=models.F("high_from"))
                & models.Q(high_from__lte=models.F("critical_from")),
                name="severities_rise",
            ),
        ]


class ChannelQuerySet(models.QuerySet["Channel"]):
    def visible_to(self, user: User) -> "ChannelQuerySet":
        """Those of the teams whose queues the person reads."""
        return self.filter(in_queues_of(user))


class Channel(models.Model):
    """Where a team of a company is told of its cases.

    `address` is an e-mail address; a webhook's is a secret, `sealed`, and shown by its host and its last four characters
    alone. A channel that takes escalations takes nothing else. Nothing that happened before `watched_from` is told.
    `looked_at` is when it was decided last what it is told. `fault` says why nothing gets through, until something does.
    """

    class Kind(models.TextChoices):
        EMAIL = "email", "E-mail"
        CHAT = "chat", "Slack or Google Chat, by webhook"
        TEAMS = "teams", "Microsoft Teams, by webhook"

    entity = models.ForeignKey(Entity, models.CASCADE, related_name="channels")
    team = models.CharField(max_length=12, choices=Team)
    name = models.CharField(max_length=60)
    kind = models.CharField(max_length=10, choices=Kind)
    address = models.CharField(max_length=200)
    sealed = models.BinaryField(null=True)
    least = models.PositiveSmallIntegerField(choices=SEVERITIES, default=Severity.HIGH.value)
    escalations = models.BooleanField(default=False)
    quiet_from = models.TimeField(null=True)
    quiet_until = models.TimeField(null=True)
    digest_at = models.TimeField(null=True)
    active = models.BooleanField(default=True)
    watched_from = models.DateTimeField(db_default=Now())
    looked_at = models.DateTimeField(null=True)
    fault = models.TextField(blank=True)
    fault_at = models.DateTimeField(null=True)

    objects = ChannelQuerySet.as_manager()

    class Meta:
        ordering = ["entity", "team", "name"]
        constraints = [
            models.UniqueConstraint(fields=["entity", "name"], name="one_channel_per_name"),
            models.CheckConstraint(
                condition=models.Q(kind="email") ^ models.Q(sealed__isnull=False), name="webhook_is_sealed"
            ),
            models.CheckConstraint(
                condition=models.Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | models.Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="quiet_from_until",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def quiet(self) -> Quiet | None:
        if self.quiet_from is None:
            return None
        return Quiet(begins=self.quiet_from, ends=self.quiet_until, zone=ZoneInfo(self.entity.zone))


class AlertQuerySet(models.QuerySet["Alert"]):
    def visible_to(self, user: User) -> "AlertQuerySet":
        return self.filter(in_queues_of(user, "channel__"))


class Alert(models.Model):
    """A message, written before it leaves. `key` makes it leave once.

    `person` gets it by e-mail in place of the channel. `body` is lines of [words, path of the link or ""]; `type` is "" where
    it is about several. A flood is on until `calm_at`; until then its cases are in it and in no message of their own.
    `usual` is how many of the type opened in the four weeks before it began.
    """

    class Kind(models.TextChoices):
        IMMEDIATE = "immediate", "At once"
        ESCALATION = "escalation", "Escalation"
        FLOOD = "flood", "Flood"
        DIGEST = "digest", "Digest"
        RETURNED = "returned", "Come back to the team"
        TEST = "test", "Test"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"
        SILENCED = "silenced", "Silenced"

    channel = models.ForeignKey(Channel, models.CASCADE, related_name="alerts")
    person = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind)
    key = models.CharField(max_length=200, unique=True)
    type = models.CharField(max_length=60, blank=True)
    severity = models.PositiveSmallIntegerField(choices=SEVERITIES)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    reason = models.TextField(blank=True, help_text="Why it was silenced or failed")
    subject = models.CharField(max_length=300)
    body = models.JSONField(default=list)
    answer = models.CharField(max_length=300, blank=True, help_text="What the other side said")
    created_at = models.DateTimeField()
    leaves_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    job = models.OneToOneField(Job, models.PROTECT, null=True, related_name="alert")
    usual = models.PositiveIntegerField(default=0)
    calm_at = models.DateTimeField(null=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=["waiting", "sent", "failed", "silenced"]), name="alert_state_known"
            ),
            models.UniqueConstraint(
                fields=["channel", "type"], condition=models.Q(kind="flood", calm_at=None), name="one_flood_at_a_time"
            ),
        ]
        indexes = [models.Index(fields=["channel", "-id"], name="alerts_of_channel")]

    def __str__(self) -> str:
        return self.subject


class AlertCase(models.Model):
    """What a channel was told of a case, or would have been: a Mark of apps.work.alerts.rules. Told once."""

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="members")
    channel = models.ForeignKey(Channel, models.CASCADE, related_name="+", db_index=False)  # case_told_once
    case = models.ForeignKey(Case, models.CASCADE, related_name="+")
    kind = models.PositiveSmallIntegerField(choices=[(kind.value, kind.name.capitalize()) for kind in Kind])
    severity = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "case", "kind", "severity"], name="case_told_once"),
        ]


def in_queues_of(user: User, path: str = "") -> models.Q:
    """The rows of the (company, team) whose queues the person reads; `path` leads to the channel."""
    seen = models.Q(pk__in=[])
    for entity, teams in user.teams_seen_in().items():
        seen |= models.Q(**{f"{path}entity_id": entity, f"{path}team__in": teams})
    return seen
