"""What people do by the clock: checks that they sign, and the days on which they look more often."""

from django.db import models
from django.db.models.functions import Now

from apps.core.models import Entity, User


class PeakDay(models.Model):
    """A day with more trade than usual, marked by a person: its routines are signed more often."""

    entity = models.ForeignKey(Entity, models.CASCADE, related_name="peak_days")
    day = models.DateField()
    marked_by = models.ForeignKey(User, models.PROTECT, related_name="+")

    class Meta:
        ordering = ["day"]
        constraints = [models.UniqueConstraint(fields=["entity", "day"], name="one_peak_mark_per_day")]


class SignedCheck(models.Model):
    """A routine as a person signed it: what was there, what became of what the check before left, and what is left now.

    The database refuses UPDATE and DELETE of it. An empty `seen` is a recorded zero. `late` names what was past its deadline.
    """

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="checks")
    routine = models.CharField(max_length=60)
    day = models.DateField(help_text="In the company's zone")
    slot = models.PositiveSmallIntegerField(help_text="1, or on a peak day also 2")
    seen = models.JSONField(default=list, help_text="Entries as apps.work.routines.Entry.said gives them")
    decided = models.JSONField(default=list, help_text="What the check before left and what became of it")
    late = models.JSONField(default=list)
    note = models.TextField(blank=True)
    signed_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    signed_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-day", "-slot"]
        constraints = [
            models.UniqueConstraint(fields=["entity", "routine", "day", "slot"], name="one_signature_per_slot"),
            models.CheckConstraint(condition=models.Q(slot__in=[1, 2]), name="check_slot_known"),
        ]
