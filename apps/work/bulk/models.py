"""A bulk, frozen with its members, and what became of each."""

from collections.abc import Collection

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.core.models import User
from apps.core.permissions import Team
from apps.exceptions.models import Case
from apps.exceptions.types import REGISTRY, Action
from apps.integrations.models import Job


class BulkQuerySet(models.QuerySet["Bulk"]):
    def visible_to(self, user: User) -> "BulkQuerySet":
        """Of queues that the person reads, every one of them: its figures add all of its members up."""
        return self.filter(
            queues__contained_by=[queue_key(entity, team) for entity, teams in user.teams_seen_in().items() for team in teams]
        )

    def of_companies(self, entity_ids: Collection[int]) -> "BulkQuerySet":
        """Those with a case of one of these companies, when they were frozen."""
        return self.filter(queues__overlap=[queue_key(entity, team) for entity in entity_ids for team in Team])


class Bulk(models.Model):
    """One action on many cases: frozen, checked without doing anything, confirmed, done member by member.

    `action` names a move of any case, or an action of the one `type` that all members are of. `queues` are those of its
    members when it was frozen, as queue_key says them. `matched` is how many the filter found; `members` at most as many.
    The other figures add up: eligible + not_eligible = members, done + skipped + failed = eligible once it has ended.
    `digest` covers the members as they were checked, the action and its data. `data` is what the action's form takes.
    One that puts back what another did is its one undo, and retries of that; thrown away before it began, it does not count.
    """

    class State(models.TextChoices):
        CHECKING = "checking", "Being checked"
        READY = "ready", "Waits for you"
        RUNNING = "running", "Under way"
        DONE = "done", "Done"
        STOPPED = "stopped", "Stopped"

    made_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(db_default=Now())
    action = models.CharField(max_length=60)
    type = models.CharField(max_length=60, blank=True)
    data = models.JSONField(default=dict)
    filter = models.JSONField(default=dict, help_text="As CaseFilter.params gives it; empty where rows were ticked")
    chosen = models.TextField(help_text="The filter in words, or that rows were ticked")
    queues = ArrayField(models.CharField(max_length=40))
    retry_of = models.ForeignKey("self", models.PROTECT, null=True, related_name="retries")
    undo_of = models.ForeignKey("self", models.PROTECT, null=True, related_name="undos")
    state = models.CharField(max_length=10, choices=State, default=State.CHECKING)
    job = models.ForeignKey(Job, models.PROTECT, null=True, related_name="+")
    digest = models.CharField(max_length=64, blank=True)
    matched = models.PositiveIntegerField(default=0)
    members = models.PositiveIntegerField(default=0)
    eligible = models.PositiveIntegerField(default=0)
    not_eligible = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    confirmed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    stopped_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")

    objects = BulkQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["undo_of"],
                condition=Q(retry_of=None) & (~Q(state="stopped") | Q(confirmed_at__isnull=False)),
                name="bulk_put_back_once",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["checking", "ready", "running", "done", "stopped"]), name="bulk_state_known"
            ),
            models.CheckConstraint(condition=~Q(state="ready") | ~Q(digest=""), name="bulk_ready_has_digest"),
            models.CheckConstraint(
                condition=~Q(state__in=["running", "done"]) | Q(confirmed_at__isnull=False), name="bulk_runs_confirmed"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["done", "stopped"]) ^ Q(ended_at__isnull=True), name="bulk_ended_has_instant"
            ),
            models.CheckConstraint(
                condition=Q(members__gte=F("eligible") + F("not_eligible"))
                & Q(eligible__gte=F("done") + F("skipped") + F("failed")),
                name="bulk_figures_add_up",
            ),
        ]

    @property
    def entity_ids(self) -> list[int]:
        return sorted({int(queue.partition(":")[0]) for queue in self.queues})

    @property
    def teams(self) -> list[Team]:
        return sorted({Team(queue.partition(":")[2]) for queue in self.queues})

    @property
    def action_declared(self) -> Action:
        """What the type of its members declares, where it is more than a move."""
        return next(action for action in REGISTRY[self.type].actions if action.name == self.action)

    @property
    def not_reached(self) -> int:
        """Eligible members that nothing was done to, or nothing yet."""
        return self.eligible - self.done - self.skipped - self.failed

    @property
    def audit_subject(self) -> str:
        return f"bulk:{self.pk}"


class FrozenList(models.Model):
    """Which cases a bulk is of, from the click until its dry run makes members of them."""

    bulk = models.OneToOneField(Bulk, models.CASCADE, primary_key=True, related_name="+")
    cases = ArrayField(models.BigIntegerField())


class BulkMember(models.Model):
    """One case of a bulk, and what became of it there. `seen` is the case as it was checked; `why` is for people. `was` and
    `became` are where a move found it and where it left it, as apps.work.bulk.states says it.
    """

    class Verdict(models.TextChoices):
        WAITING = "waiting", "Not checked yet"
        ELIGIBLE = "eligible", "Eligible"
        NOT_ELIGIBLE = "not-eligible", "Not eligible"
        DONE = "done", "Done"
        SKIPPED = "skipped", "Skipped"
        FAILED = "failed", "Failed"

    pk = models.CompositePrimaryKey("bulk_id", "case_id")
    bulk = models.ForeignKey(Bulk, models.CASCADE, related_name="cases", db_index=False)
    case = models.ForeignKey(Case, models.PROTECT, related_name="+", db_index=False)
    verdict = models.CharField(max_length=12, choices=Verdict, default=Verdict.WAITING)
    code = models.CharField(max_length=40, blank=True, help_text="Why in a stable name; the same as the single verb's")
    why = models.TextField(blank=True)
    seen = models.TextField(blank=True)
    weight = models.JSONField(null=True, help_text="Of its plan, if that has one: {lines, money: {currency: amount}}")
    was = models.JSONField(null=True)
    became = models.JSONField(null=True)

    class Meta:
        ordering = ["case_id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict__in=["waiting", "eligible", "not-eligible", "done", "skipped", "failed"]),
                name="bulk_verdict_known",
            ),
            models.CheckConstraint(
                condition=~Q(verdict__in=["not-eligible", "skipped", "failed"]) | ~Q(code=""), name="bulk_verdict_has_reason"
            ),
        ]


def queue_key(entity_id: int, team: str) -> str:
    """A queue as a bulk names it: "12:finance"."""
    return f"{entity_id}:{Team(team).value}"
