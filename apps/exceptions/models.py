"""A case: one cause that stops work, whatever the number of records waiting behind it."""

from typing import TYPE_CHECKING

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now

from apps.core.models import Entity, User
from apps.core.permissions import Team

if TYPE_CHECKING:
    from apps.exceptions.types import ExceptionType


class Diagnosis(models.TextChoices):
    STRUCTURAL = "structural", "Structural"
    TRANSIENT = "transient", "Transient"
    UNKNOWN = "unknown", "Not known"


class State(models.TextChoices):
    OPEN = "open", "Open"
    CLAIMED = "claimed", "In progress"
    SNOOZED = "snoozed", "Snoozed"
    RESOLVED = "resolved", "Resolved"
    CLEARED = "cleared", "Cleared"
    DISMISSED = "dismissed", "Dismissed"


LIVE = (State.OPEN, State.CLAIMED, State.SNOOZED)
IS_LIVE = Q(state__in=LIVE)
ALARMS = ("snoozed_until", "snoozed_above", "snoozed_for_run")
ONE_ALARM = Q(
    *(Q(**{f"{other}__isnull": other != alarm for other in ALARMS}) for alarm in ALARMS), _connector=Q.OR
)


class CaseQuerySet(models.QuerySet["Case"]):
    def visible_to(self, user: User) -> "CaseQuerySet":
        """Cases in the queues that the person reads, company by company."""
        seen = Q(pk__in=[])
        for entity, teams in user.teams_seen_in().items():
            seen |= Q(entity_id=entity, team__in=teams)
        return self.filter(seen)

    def live(self) -> "CaseQuerySet":
        return self.filter(IS_LIVE)

    def by_rank(self) -> "CaseQuerySet":
        return self.order_by("-score", "id")


class CaseManager(models.Manager.from_queryset(CaseQuerySet)):
    def get_queryset(self) -> CaseQuerySet:
        return super().get_queryset().defer("words")  # searched, never read


class Case(models.Model):
    """Opened, refreshed and ended by sweeps and `perform` alone (architecture.md section 3).

    `stake` is the case's own money in `currency`, never negative; `worth` is it in the company's base currency, for ranking
    only (`rate_known` is false where no rate was there and 1:1 was taken). `facts` is what the detector saw, money as text.
    `assigned_to` is whose case it is, until it ends or another team has it; `claimed_by` is at it now, which lapses.
    It sleeps until an instant, until its stake is above an amount in its currency, or until a run that begins after
    `snoozed_for_run` has ended and the cause is still there; but no longer than its deadline, unless a person chose the instant.
    `ending` says how a case ended: {"words": ..., and the evidence}.
    `notes` are what people wrote on it, for the search alone: the audit trail has them with who and when.
    `changed_at`: when its state, team, worth, deadline or person was another last; a trigger keeps it.
    """

    type = models.CharField(max_length=60)
    entity = models.ForeignKey(Entity, models.PROTECT, related_name="cases")
    subject = models.CharField(max_length=600)
    team = models.CharField(max_length=12, choices=Team)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    holds_back = models.BooleanField()
    diagnosis = models.CharField(max_length=10, choices=Diagnosis)
    facts = models.JSONField(default=dict)
    lines = models.PositiveIntegerField(default=0)
    stake = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    currency = models.CharField(max_length=3)
    worth = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    rate_known = models.BooleanField(default=True)
    due_at = models.DateTimeField()
    score = models.FloatField()
    opened_at = models.DateTimeField(db_default=Now())
    assigned_to = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", db_index=False)
    claimed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    claimed_until = models.DateTimeField(null=True)
    snoozed_until = models.DateTimeField(null=True)
    snoozed_above = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    snoozed_for_run = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    ending = models.JSONField(default=dict)
    earlier = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")

    changed_at = models.DateTimeField(db_default=Now())

    notes = models.TextField(default="", db_default="")
    words = models.GeneratedField(
        expression=Func(F("subject"), F("facts"), F("notes"), function="exceptions_case_words"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    objects = CaseManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["type", "entity", "subject"], condition=IS_LIVE, name="one_live_case_per_cause"
            ),
            models.CheckConstraint(condition=Q(state__in=State.values), name="case_state_known"),
            models.CheckConstraint(
                condition=~Q(state=State.DISMISSED, holds_back=True), name="held_back_not_dismissed"
            ),
            models.CheckConstraint(condition=IS_LIVE ^ Q(ended_at__isnull=False), name="case_ended_has_instant"),
            models.CheckConstraint(
                condition=~Q(state=State.CLAIMED) | Q(claimed_by__isnull=False, claimed_until__isnull=False),
                name="claimed_by_someone",
            ),
            models.CheckConstraint(condition=~Q(state=State.SNOOZED) | ONE_ALARM, name="snoozed_until_when"),
            models.CheckConstraint(condition=IS_LIVE | Q(assigned_to=None), name="case_ended_is_nobodys"),
            models.CheckConstraint(condition=Q(stake__gte=0), name="stake_not_negative"),
        ]
        indexes = [
            models.Index("entity", "team", models.F("score").desc(), "id", name="queue_by_rank", condition=IS_LIVE),
            models.Index(fields=["type", "entity", "subject", "id"], name="case_by_cause"),
            models.Index(fields=["entity", "team", "due_at"], name="case_by_deadline", condition=IS_LIVE),
            models.Index(fields=["entity", "team", "-worth"], name="case_by_worth", condition=IS_LIVE),
            models.Index(fields=["assigned_to"], name="case_assigned", condition=Q(assigned_to__isnull=False)),
            GinIndex(fields=["words"], name="case_words", condition=IS_LIVE, gin_pending_list_limit=1024),
            models.Index(fields=["entity", "team", "opened_at"], name="case_by_opening"),
            models.Index(fields=["entity", "team", "changed_at"], name="case_by_change", condition=IS_LIVE),
            models.Index(fields=["entity", "team", "ended_at"], name="case_by_end", condition=Q(ended_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject}"

    @property
    def kind(self) -> "ExceptionType":
        """The declaration of this case's type."""
        from apps.exceptions.types import REGISTRY

        return REGISTRY[self.type]

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    @property
    def audit_subject(self) -> str:
        return f"case:{self.pk}"


class Tally(models.Model):
    """Live cases counted and summed per queue, type, state and currency, and whether they are assigned; kept by a trigger on
    Case so that a queue of 100,000 cases shows its totals as fast as one of 50. Never written by code.
    """

    entity = models.ForeignKey(Entity, models.CASCADE, related_name="+")
    team = models.CharField(max_length=12)
    type = models.CharField(max_length=60)
    state = models.CharField(max_length=10)
    diagnosis = models.CharField(max_length=10)
    currency = models.CharField(max_length=3)
    assigned = models.BooleanField()
    cases = models.BigIntegerField()
    stake = models.DecimalField(max_digits=24, decimal_places=4)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["entity", "team", "type", "state", "diagnosis", "currency", "assigned"],
                name="one_tally_per_group",
            )
        ]
