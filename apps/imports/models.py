"""Spreadsheets that people bring: the file, what its dry run found, what became of it, row by row."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.models import Entity, User
from apps.integrations.models import Job


class Mode(models.TextChoices):
    ALL = "all", "All rows, or none of them"
    GOOD = "good", "The good rows; the others stay out"


class Outcome(models.TextChoices):
    ADDED = "added", "Added"
    CHANGED = "changed", "Changed"
    SAME = "same", "Same"
    CONFLICT = "conflict", "Conflict"
    BAD = "bad", "Bad"


NEEDS_YOU = (Outcome.CONFLICT, Outcome.BAD)


class Import(models.Model):
    """One file for one kind of sheet. Its bytes are kept as they came, before anything reads them.

    `columns` are its columns as [letter, name]; `effect` is what the good rows do to open work, as words and figures;
    `digest` covers what every row would do, so that what is applied is what was shown.
    """

    class State(models.TextChoices):
        READING = "reading", "Being read"
        REFUSED = "refused", "Refused"
        READY = "ready", "Waits for you"
        APPLYING = "applying", "Being saved"
        APPLIED = "applied", "Saved"
        THROWN_AWAY = "thrown-away", "Thrown away"
        UNDONE = "undone", "Undone"

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="imports")
    sheet = models.CharField(max_length=20, help_text="Names the Importable")
    mode = models.CharField(max_length=4, choices=Mode)
    name = models.CharField(max_length=255, help_text="As its sender called it")
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    path = models.CharField(max_length=200, help_text="In the storage")
    format = models.CharField(max_length=4, blank=True, help_text="xlsx, csv")
    state = models.CharField(max_length=12, choices=State, default=State.READING)
    words = models.TextField(blank=True, help_text="Why it was refused, or what else to say about it")
    columns = models.JSONField(default=list)
    added = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    same = models.PositiveIntegerField(default=0)
    conflict = models.PositiveIntegerField(default=0)
    bad = models.PositiveIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True)
    effect = models.JSONField(default=dict)
    job = models.ForeignKey(Job, models.PROTECT, null=True, related_name="+", help_text="That reads or saves it")
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(db_default=Now())
    applied_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    applied_at = models.DateTimeField(null=True)
    undone_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    undone_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    state__in=["reading", "refused", "ready", "applying", "applied", "thrown-away", "undone"]
                ),
                name="import_state_known",
            ),
            models.CheckConstraint(condition=Q(mode__in=Mode.values), name="import_mode_known"),
            models.UniqueConstraint(
                fields=["entity", "sheet", "sha256"],
                condition=Q(state__in=["applying", "applied"]),
                name="one_import_per_file",
            ),
        ]
        indexes = [models.Index(fields=["entity", "-id"], name="imports_by_entity")]

    def __str__(self) -> str:
        return self.name

    @property
    def source(self) -> str:
        """How records name where they come from."""
        return f"import:{self.pk}"

    @property
    def good(self) -> int:
        return self.added + self.changed

    @property
    def needing(self) -> int:
        return self.conflict + self.bad

    @property
    def rows_read(self) -> int:
        return self.good + self.same + self.needing


class ImportRow(models.Model):
    """A row of the file. `number` is its own in the sheet.

    `cells`: what was found, as text. `faults`: [place of the column or -1 for the row, words]. `changes`: {column name: [old,
    new]} of a changed row. `record`: id of what applying it wrote.
    """

    of = models.ForeignKey(Import, models.CASCADE, related_name="rows")
    number = models.PositiveIntegerField()
    outcome = models.CharField(max_length=8, choices=Outcome)
    cells = models.JSONField()
    faults = models.JSONField(default=list)
    changes = models.JSONField(default=dict)
    record = models.BigIntegerField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["of", "number"], name="one_import_row_per_number"),
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="import_row_outcome_known"),
        ]
        indexes = [models.Index(fields=["of", "outcome", "number"], name="import_rows_by_outcome")]
