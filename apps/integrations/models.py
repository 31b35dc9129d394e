"""Connections, the raw files they brought, and background work as rows with leases (architecture.md section 4)."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.models import Entity, User
from apps.core.permissions import Permission


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def visible_to(self, user: User, permission: Permission) -> "ConnectionQuerySet":
        return self.filter(entity_id__in=user.entities_where(permission))


class Connection(models.Model):
    """One account at an outside system. For now: an Amazon seller account whose reports are uploaded."""

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="connections")
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(db_default=Now())

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["entity", "name"], name="one_connection_per_name")]

    def __str__(self) -> str:
        return self.name


class StoredFile(models.Model):
    """The raw bytes as they came, immutable, stored before anything reads them. The same bytes are stored once."""

    connection = models.ForeignKey(Connection, models.PROTECT, related_name="files")
    sha256 = models.CharField(max_length=64)
    name = models.CharField(max_length=255, help_text="As the sender called it")
    size = models.BigIntegerField()
    path = models.CharField(max_length=200, help_text="In the storage")
    received_at = models.DateTimeField(db_default=Now())
    received_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "sha256"], name="same_bytes_stored_once")]

    def __str__(self) -> str:
        return self.name


class JobState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    STUCK = "stuck", "Stuck"
    STOPPED = "stopped", "Stopped"


class Job(models.Model):
    """A piece of background work. Celery carries its id; the row is the truth.

    Claimed by a conditional UPDATE, held by a lease that the runner renews. A lease lost three times makes it stuck.
    """

    kind = models.CharField(max_length=60, help_text="Names the JobKind that runs it")
    entity = models.ForeignKey(Entity, models.PROTECT, null=True, related_name="jobs")
    file = models.ForeignKey(StoredFile, models.PROTECT, null=True, related_name="jobs")
    args = models.JSONField(default=dict, help_text="Ids and names, never record data or secrets")
    state = models.CharField(max_length=10, choices=JobState, default=JobState.WAITING)
    asked_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    not_before = models.DateTimeField(db_default=Now())
    runner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True)
    attempts_made = models.PositiveIntegerField(default=0)
    leases_lost = models.PositiveIntegerField(default=0)
    progress_done = models.BigIntegerField(default=0)
    progress_total = models.BigIntegerField(default=0)
    progress_words = models.CharField(max_length=200, blank=True)
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=JobState.values), name="job_state_known"),
            models.CheckConstraint(
                condition=~Q(state=JobState.RUNNING) | Q(lease_until__isnull=False), name="running_has_lease"
            ),
        ]
        indexes = [
            models.Index(fields=["lease_until"], condition=Q(state=JobState.RUNNING), name="job_leases"),
            models.Index(fields=["not_before"], condition=Q(state=JobState.WAITING), name="job_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Attempt(models.Model):
    """One try at a job, kept for people to read."""

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        LOST = "lost", "Lost its lease"

    job = models.ForeignKey(Job, models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    runner = models.CharField(max_length=120)
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.RUNNING)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="one_attempt_per_number"),
            models.UniqueConstraint(fields=["job"], condition=Q(outcome="running"), name="one_running_attempt"),
        ]
