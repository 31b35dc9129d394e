"""Settlements, the versions of their files, and what came of reading each file."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.core.models import Entity, User
from apps.core.permissions import READ_MONEY
from apps.integrations.models import Connection, Job, StoredFile


class SettlementQuerySet(models.QuerySet["Settlement"]):
    def visible_to(self, user: User) -> "SettlementQuerySet":
        return self.filter(entity_id__in=user.entities_where(READ_MONEY))


class Settlement(models.Model):
    """One payout of Amazon's. Its figures come from its versions."""

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="settlements")
    connection = models.ForeignKey(Connection, models.PROTECT, related_name="settlements")
    settlement_id = models.CharField(max_length=40, unique=True)
    currency = models.CharField(max_length=3)
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    deposit_at = models.DateTimeField()

    objects = SettlementQuerySet.as_manager()

    class Meta:
        ordering = ["-end_at"]
        indexes = [models.Index(fields=["entity", "-end_at"], name="settlements_by_end")]

    def __str__(self) -> str:
        return self.settlement_id


class SettlementVersion(models.Model):
    """The rows of one file of a settlement. At most one version is taken: its journals are the settlement's.

    `rows_hash` is over the lines without BOM and line ends, so equal rows are known again. `extra_columns` are the names of
    columns beyond the layout's; their data stays in the raw file.
    """

    class State(models.TextChoices):
        TAKEN = "taken", "Taken"
        HELD = "held", "Held: does not tie"
        CHANGED = "changed", "Changed: other rows"
        SUPERSEDED = "superseded", "Superseded"

    settlement = models.ForeignKey(Settlement, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    file = models.ForeignKey(StoredFile, models.PROTECT, related_name="versions")
    state = models.CharField(max_length=10, choices=State)
    rows_hash = models.CharField(max_length=64)
    total = models.DecimalField(max_digits=18, decimal_places=4, help_text="total-amount of the summary row")
    sum = models.DecimalField(max_digits=18, decimal_places=4, help_text="Sum of amount over all other lines")
    lines = models.PositiveIntegerField()
    encoding = models.CharField(max_length=20)
    line_end = models.CharField(max_length=4)
    date_style = models.CharField(max_length=10)
    decimal_style = models.CharField(max_length=5)
    extra_columns = models.JSONField(default=list)
    taken_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["settlement", "number"], name="one_version_per_number"),
            models.UniqueConstraint(fields=["settlement", "rows_hash"], name="same_rows_once"),
            models.UniqueConstraint(fields=["settlement"], condition=Q(state="taken"), name="one_taken_version"),
            models.CheckConstraint(condition=~Q(state="taken") | Q(total=F("sum")), name="taken_ties"),
        ]

    @property
    def difference(self):
        """Sum of amounts less total-amount; zero for a file that ties."""
        return self.sum - self.total


def version_that_counts(versions: list[SettlementVersion]) -> SettlementVersion:
    """Of a settlement's versions in their order the taken one; else the newest."""
    return next((version for version in versions if version.state == SettlementVersion.State.TAKEN), versions[-1])


READ_FILE = "settlements.read-file"  # the job kind that writes a FileReading


class FileReading(models.Model):
    """What came of reading a stored file: the newest verdict, in words. One row a file."""

    class Status(models.TextChoices):
        TAKEN = "taken", "Taken"
        KNOWN = "known", "Known"
        CHANGED = "changed", "Changed"
        HELD = "held", "Held"
        REFUSED = "refused", "Refused"
        PUT_AWAY = "put-away", "Put away"

    file = models.OneToOneField(StoredFile, models.PROTECT, related_name="reading")
    status = models.CharField(max_length=10, choices=Status)
    reason = models.CharField(max_length=60, blank=True)
    line = models.PositiveIntegerField(null=True, help_text="Line of the file, the header is line 1")
    words = models.TextField(blank=True)
    version = models.ForeignKey(SettlementVersion, models.PROTECT, null=True, related_name="readings")
    replaced_by = models.ForeignKey("self", models.PROTECT, null=True, related_name="+", help_text="The corrected file")
    job = models.ForeignKey(Job, models.PROTECT, null=True, related_name="+")
    read_at = models.DateTimeField(db_default=Now())

    @property
    def entity(self) -> Entity:
        return self.file.connection.entity

    @property
    def entity_id(self) -> int:
        return self.file.connection.entity_id


class AcceptedColumn(models.Model):
    """An extra column that a person accepted for a connection: its files raise nothing more about it."""

    connection = models.ForeignKey(Connection, models.PROTECT, related_name="+")
    name = models.CharField(max_length=120)
    accepted_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    accepted_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "name"], name="column_accepted_once")]
