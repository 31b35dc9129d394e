"""What one shift of a team leaves to the next, frozen as it was written."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q

from apps.core.models import Entity, User
from apps.core.permissions import Team

TAKEN_WITHIN = timedelta(hours=8)  # a shift's length: who has not taken a note over by then is reminded


class ShiftNoteQuerySet(models.QuerySet["ShiftNote"]):
    def visible_to(self, user: User) -> "ShiftNoteQuerySet":
        """Those of the teams whose queues the person reads, company by company."""
        seen = Q(pk__in=[])
        for entity, teams in user.teams_seen_in().items():
            seen |= Q(entity=entity, team__in=teams)
        return self.filter(seen)

    def waiting(self) -> "ShiftNoteQuerySet":
        """At most one of a team and company."""
        return self.filter(state=ShiftNote.State.WAITING)


class ShiftNote(models.Model):
    """A note of who ends a shift, from the facts since `since` and the person's own `words`.

    `facts` are sections as apps.work.shifts.drafting.Section.said gives them, `moves` what became of the writer's own
    cases: [{"words", "path", "choice", "did"}]. `to` None is the whole team. One note of a team waits at a time: a further
    one carries it along (`carried_by`), and whoever takes the further one over has taken both. The database refuses to
    change what was written, and to undo a taking over.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        CARRIED = "carried", "In a later note"
        TAKEN = "taken", "Taken over"

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="shift_notes")
    team = models.CharField(max_length=12, choices=Team)
    written_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    written_at = models.DateTimeField()
    since = models.DateTimeField()
    to = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    words = models.TextField(blank=True)
    facts = models.JSONField(default=list)
    moves = models.JSONField(default=list)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    carried_by = models.ForeignKey("self", models.PROTECT, null=True, related_name="carries")
    taken_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    taken_at = models.DateTimeField(null=True)

    objects = ShiftNoteQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["entity", "team"], condition=Q(state="waiting"), name="one_shift_note_waits"
            ),
            models.CheckConstraint(
                condition=Q(state="taken", taken_by__isnull=False, taken_at__isnull=False)
                | Q(state__in=["waiting", "carried"], taken_by=None, taken_at=None),
                name="shift_taken_by_someone",
            ),
            models.CheckConstraint(
                condition=Q(carried_by=None) | Q(state="carried"), name="shift_carried_says_so"
            ),
            models.CheckConstraint(
                condition=Q(taken_by=None) | ~Q(taken_by=F("written_by")), name="shift_taken_by_another"
            ),
            models.CheckConstraint(condition=Q(written_at__gt=F("since")), name="shift_covers_some_time"),
        ]
        indexes = [models.Index(fields=["entity", "team", "-id"], name="shift_notes_of_team")]

    def __str__(self) -> str:
        return f"Shift note {self.pk}"

    @property
    def audit_subject(self) -> str:
        return f"shift:{self.pk}"

    def is_late(self, now: datetime) -> bool:
        """Whether it waits for longer than a shift."""
        return self.state == self.State.WAITING and now - self.written_at > TAKEN_WITHIN
