"""Connections, the raw files they brought, and background work as rows with leases (architecture.md section 4)."""

from collections.abc import Iterable

from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, Now

from apps.core.models import Entity, User
from apps.core.permissions import READ_JOBS, RUN_JOBS, Permission


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def visible_to(self, user: User, permission: Permission) -> "ConnectionQuerySet":
        return self.filter(entity_id__in=user.entities_where(permission))


class Connection(models.Model):
    """One account at an outside system.

    An uploaded one has no credentials: people bring its files. A platform posts to us, see apps.platforms. `endpoint` and
    `token_url` are the system's own addresses, chosen with the region; `marketplaces` are Amazon's ids. It is revoked from
    the moment that the system says so until it answers again.
    """

    class Kind(models.TextChoices):
        UPLOAD = "upload", "Amazon files, uploaded by people"
        AMAZON = "amazon-seller", "Amazon seller account"
        PLATFORM = "platform", "Integration platform"

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="connections")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.UPLOAD)
    account = models.CharField(max_length=60, blank=True, help_text="The system's id of us: Amazon's seller id")
    endpoint = models.URLField(blank=True)
    token_url = models.URLField(blank=True)
    marketplaces = models.JSONField(default=list)
    revoked_at = models.DateTimeField(null=True)
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


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, user: User) -> "JobQuerySet":
        """Of the companies whose background work the person reads. Of no one company: what nobody asked for, or the person did.

        What others asked for over several companies, and what it says, is of companies that may not be this person's.
        """
        mine = Q(entity_id__in=user.entities_where(READ_JOBS))
        if user.may_anywhere(RUN_JOBS):
            mine |= Q(entity=None) & (Q(asked_by=None) | Q(asked_by=user))
        return self.filter(mine)


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

    objects = JobQuerySet.as_manager()

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
        PUT_OFF = "put-off", "Put off"

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


class Credential(models.Model):
    """What a connection signs in with, sealed by apps.integrations.credentials. Nothing shows it again."""

    connection = models.OneToOneField(Connection, models.CASCADE, related_name="credential")
    sealed = models.BinaryField()
    changed_at = models.DateTimeField(db_default=Now())
    changed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")


class Source(models.Model):
    """A feed of a connection: where it goes on, when it is pulled, and when it last proved that it brings data.

    `proven_at`: up to this instant the system has told us everything. Green needs it; a run without an error does not.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="sources")
    feed = models.CharField(max_length=60, help_text="Names the Feed that stores its pages")
    cursor = models.JSONField(default=dict)
    every = models.DurationField(help_text="How often it is pulled")
    paused = models.BooleanField(default=False)
    proven_at = models.DateTimeField(null=True)
    newest_at = models.DateTimeField(null=True, help_text="When a run last brought a record")
    created_at = models.DateTimeField(db_default=Now())
    watched_from = models.DateTimeField(
        db_default=Now(), help_text="Silence counts from here: made, resumed, authorised"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "feed"], name="one_source_per_feed")]

    def __str__(self) -> str:
        return self.feed

    @property
    def entity_id(self) -> int:
        return self.connection.entity_id

    @property
    def entity(self) -> Entity:
        return self.connection.entity

class Verdict(models.TextChoices):
    TRANSIENT = "transient", "Transient"
    STRUCTURAL = "structural", "Structural"
    UNKNOWN = "unknown", "Not known"


class SyncRunQuerySet(models.QuerySet["SyncRun"]):
    def newest_ended(self, sources: Iterable[Source]) -> dict[int, "SyncRun"]:
        """{source id: its newest run that ended by itself}"""
        ended = self.filter(source__in=list(sources), ended_at__isnull=False).exclude(evidence=SyncRun.STOPPED)
        return {run.source_id: run for run in ended.order_by("source", "-id").distinct("source")}

    def failed_in_a_row(self, source_ids: Iterable[int]) -> dict[int, int]:
        """{source id: how many of its newest runs ended in an error}"""
        well = self.filter(source=OuterRef("source"), ended_at__isnull=False, verdict="").order_by("-id")
        failed = self.filter(source__in=list(source_ids), ended_at__isnull=False).exclude(verdict="")
        failed = failed.exclude(evidence=SyncRun.STOPPED)
        since = failed.annotate(well=Coalesce(Subquery(well.values("id")[:1]), 0)).filter(id__gt=F("well"))
        return dict(since.order_by().values_list("source").annotate(Count("id")))


class SyncRun(models.Model):
    """One pull of a source, from its cursor to the end of what there was. Its job says how far it is and when it tries again.

    It worked if it ended without a verdict. `evidence` is the rules.Failure of the last call that failed; STOPPED that of a
    run that a person stopped.
    """

    STOPPED = {"kind": "stopped"}

    source = models.ForeignKey(Source, models.CASCADE, related_name="runs")
    job = models.OneToOneField(Job, models.PROTECT, related_name="run")
    pages = models.PositiveIntegerField(default=0)
    added = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    unreadable = models.PositiveIntegerField(default=0)
    proven = models.BooleanField(default=False, help_text="A page said up to when the system has told us everything")
    verdict = models.CharField(max_length=10, choices=Verdict, blank=True)
    evidence = models.JSONField(default=dict, help_text="An Evidence, and what else failed in that minute")
    ended_at = models.DateTimeField(null=True)

    objects = SyncRunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source"], condition=Q(ended_at=None), name="one_run_of_a_source"),
        ]
        indexes = [models.Index(fields=["source", "-id"], name="runs_of_source")]

    @property
    def seen(self) -> int:
        return self.added + self.changed + self.unchanged + self.unreadable


class CallFault(models.Model):
    """A call to an outside system that failed, kept as evidence for the verdicts of others in that minute."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="faults")
    run = models.ForeignKey(SyncRun, models.CASCADE, null=True, related_name="faults")
    at = models.DateTimeField(db_default=Now())
    operation = models.CharField(max_length=80)
    status = models.PositiveSmallIntegerField(null=True)
    code = models.CharField(max_length=80, blank=True)
    request_id = models.CharField(max_length=80, blank=True)
    words = models.TextField()
    verdict = models.CharField(max_length=10, choices=Verdict)

    class Meta:
        indexes = [models.Index(fields=["connection", "at"], name="faults_by_time")]


class UnreadableRecord(models.Model):
    """A record of a page that could not be read, as it came. It ends when the record is read after all."""

    source = models.ForeignKey(Source, models.CASCADE, related_name="unreadables")
    key = models.CharField(max_length=200)
    raw = models.JSONField()
    words = models.TextField()
    first_seen_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "key"], name="one_unreadable_per_key")]


class Command(models.Model):
    """Outbound work, written with its cause and sent later. `key` makes it happen once, however often its cause comes."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting to be sent"
        SENT = "sent", "Sent"
        REFUSED = "refused", "Refused by the system it went to"
        CANCELLED = "cancelled", "Cancelled"

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="commands", db_index=False)  # one_command_per_key
    target = models.CharField(max_length=20, help_text="The kind of system that it goes to: warehouse, erp")
    kind = models.CharField(max_length=40, help_text="The verb: ship-order, record-sale")
    key = models.CharField(max_length=200)
    subject = models.CharField(max_length=200, help_text="What it is about: order:12")
    payload = models.JSONField(default=dict, help_text="What to do, without buyers' data")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    words = models.TextField(blank=True, help_text="What the system answered")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entity", "key"], name="one_command_per_key"),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "sent", "refused", "cancelled"]), name="command_state_known"
            ),
        ]
        indexes = [models.Index(fields=["subject"], name="commands_by_subject")]

    def __str__(self) -> str:
        return self.key
