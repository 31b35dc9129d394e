"""What people do by the clock: checks that they sign, and the days on which they look more often. What takes two people.
What each keeps an eye on."""

from uuid import uuid4

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.models import Entity, User
from apps.core.permissions import PERMISSIONS, Permission, Role, Team
from apps.work.alerts.models import Alert, AlertCase, AlertPolicy, Channel  # noqa: F401  where Django looks for tables
from apps.work.bulk.models import Bulk, BulkMember, FrozenList  # noqa: F401
from apps.work.shifts.models import ShiftNote  # noqa: F401


class PeakDay(models.Model):
    """A day with more trade than usual, marked by a person: its routines are signed more often."""

    entity = models.ForeignKey(Entity, models.CASCADE, related_name="peak_days")
    day = models.DateField()
    marked_by = models.ForeignKey(User, models.PROTECT, related_name="+")

    class Meta:
        ordering = ["day"]
        constraints = [models.UniqueConstraint(fields=["entity", "day"], name="one_peak_mark_per_day")]


def every_day() -> list[int]:
    return list(range(7))


class WorkCalendar(models.Model):
    """On which weekdays a company works (Monday is 0) and whose public holidays it keeps; no country: none."""

    entity = models.OneToOneField(Entity, models.CASCADE, related_name="work_calendar")
    weekdays = ArrayField(models.PositiveSmallIntegerField(), default=every_day)
    country = models.CharField(max_length=2, blank=True)
    subdivision = models.CharField(max_length=10, blank=True)


class OwnDay(models.Model):
    """A day that a person put in as off, or on which the company works although it would be off."""

    entity = models.ForeignKey(Entity, models.CASCADE, related_name="own_days")
    day = models.DateField()
    works = models.BooleanField()
    name = models.CharField(max_length=80)
    set_by = models.ForeignKey(User, models.PROTECT, related_name="+")

    class Meta:
        ordering = ["day"]
        constraints = [models.UniqueConstraint(fields=["entity", "day"], name="one_word_per_day")]


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


class ProposalQuerySet(models.QuerySet["Proposal"]):
    def visible_to(self, user: User) -> "ProposalQuerySet":
        """Company by company what the person may do or has asked for; admins and viewers read all."""
        seen = models.Q(asked_by=user, entity__in=user.teams_seen_in())
        for entity in user.teams_seen_in():
            if user.roles_in(entity) & {Role.ADMIN, Role.VIEWER}:
                seen |= models.Q(entity=entity)
            else:
                able = [each.name for each in PERMISSIONS if user.may(each, entity)]
                seen |= models.Q(entity=entity, permission__in=able)
        return self.filter(seen)

    def waiting(self) -> "ProposalQuerySet":
        return self.filter(state=Proposal.State.WAITING, lapses_at__gt=Now())

    def for_second(self, user: User) -> "ProposalQuerySet":
        """Those that wait for this person's word: others asked, and they may do it themselves."""
        able = models.Q(pk__in=[])
        for entity in user.teams_seen_in():
            able |= models.Q(entity=entity, permission__in=[each.name for each in PERMISSIONS if user.may(each, entity)])
        return self.waiting().filter(able).exclude(asked_by=user)


class Proposal(models.Model):
    """A change above its company's limits: one person asked for it, a second one approves it, and it is done then.

    `kind` and `record` name what is changed (apps.work.deeds.KINDS), `action` what is done to it with `data`, the form as it was
    filled in: {field: [values]}. `shown` is the preview that the asker saw: effect, says, lines, money, over; `digest` is its
    digest. `words` are the second person's, where they declined.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waits for a second person"
        APPROVED = "approved", "Approved and done"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"
        LAPSED = "lapsed", "Lapsed"

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="proposals")
    kind = models.CharField(max_length=20)
    record = models.BigIntegerField()
    about = models.CharField(max_length=600, help_text="The record in words")
    action = models.CharField(max_length=60)
    label = models.CharField(max_length=120)
    permission = models.CharField(max_length=40)
    data = models.JSONField()
    digest = models.CharField(max_length=64)
    shown = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    asked_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(db_default=Now())
    lapses_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    words = models.TextField(blank=True)

    objects = ProposalQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "record", "entity"],
                condition=models.Q(state="waiting"),
                name="one_waiting_change_per_record",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["waiting", "approved", "declined", "withdrawn", "lapsed"]),
                name="proposal_state_known",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["approved", "declined"])
                | models.Q(decided_by__isnull=False) & ~models.Q(decided_by=models.F("asked_by")),
                name="second_person_is_another",
            ),
        ]
        indexes = [models.Index(fields=["entity", "state", "-id"], name="proposals_by_state")]

    def __str__(self) -> str:
        return f"{self.label}: {self.about}"

    @property
    def audit_subject(self) -> str:
        return f"{self.kind}:{self.record}"

    @property
    def needs(self) -> Permission:
        """What who decides it may do."""
        return next(each for each in PERMISSIONS if each.name == self.permission)

    @property
    def is_waiting(self) -> bool:
        return self.state == self.State.WAITING and self.lapses_at > timezone.now()

    @property
    def state_words(self) -> str:
        """A change whose days are over has lapsed, also before anybody says so."""
        lapsed = self.state == self.State.WAITING and not self.is_waiting
        return self.State.LAPSED.label if lapsed else self.get_state_display()


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def visible_to(self, user: User) -> "SavedViewQuerySet":
        """A person's own, and those of the teams whose queues the person reads, company by company."""
        seen = models.Q(owner=user, entity=None)
        for entity, teams in user.teams_seen_in().items():
            seen |= models.Q(entity=entity, team__in=teams)
        return self.filter(seen)


class SavedView(models.Model):
    """A filter of a team's queue under a name. It is the owner's alone, or with an `entity` that team's in that company.

    `asks` is what apps.work.filters.CaseFilter.params gives. The id stands in links that people send each other.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    owner = models.ForeignKey(User, models.PROTECT, related_name="+")
    entity = models.ForeignKey(Entity, models.CASCADE, null=True, related_name="+")
    team = models.CharField(max_length=12, choices=Team)
    name = models.CharField(max_length=60)
    asks = models.JSONField(default=dict)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "team", "name"], condition=models.Q(entity=None), name="one_own_view_per_name"
            ),
            models.UniqueConstraint(
                fields=["entity", "team", "name"], condition=~models.Q(entity=None), name="one_team_view_per_name"
            ),
            models.CheckConstraint(condition=~models.Q(name=""), name="saved_view_named"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def audit_subject(self) -> str:
        return f"view:{self.pk}"


class RunbookAddition(models.Model):
    """What a company's team adds to the runbook of a kind of exception. Each version stays; the newest one holds, and an empty
    one takes the text out. The database refuses UPDATE and DELETE of it.
    """

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="runbook_additions")
    type = models.CharField(max_length=60)
    version = models.PositiveIntegerField()
    text = models.TextField(blank=True)
    written_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    written_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["entity", "type", "version"], name="one_addition_per_version"),
            models.CheckConstraint(condition=models.Q(version__gte=1), name="addition_version_from_one"),
        ]


class StakeMove(models.Model):
    """By how much more, or less, was at stake with a team at the end of a day that is over; days are the company's. Read from the
    audit trail once, by apps.work.stakes.keep.
    """

    entity = models.ForeignKey(Entity, models.CASCADE, related_name="+", db_index=False)  # one_move_per_day
    day = models.DateField()
    team = models.CharField(max_length=12)
    type = models.CharField(max_length=60)
    currency = models.CharField(max_length=3)
    moved = models.DecimalField(max_digits=24, decimal_places=4)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entity", "day", "team", "type", "currency"], name="one_move_per_day"),
        ]


class StakesKept(models.Model):
    """The days `before` this one are in StakeMove, as days of this zone."""

    entity = models.OneToOneField(Entity, models.CASCADE, related_name="+")
    before = models.DateField()
    zone = models.CharField(max_length=64)
