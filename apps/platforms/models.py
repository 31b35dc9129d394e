"""Integration platforms in front of us: the records that failed in them, and what they were asked to try again."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.models import User
from apps.integrations.models import Connection, Job

LONGEST_ID = 120
LONGEST_FLOW = 120
LONGEST_ABOUT = 120
LONGEST_CODE = 80
LONGEST_WORDS = 500


class Platform(models.Model):
    """What a connection to a platform has beyond others.

    `digest` is SHA-256 of the key by which it posts to us, `prefix` the beginning that people see. `retries_to` shows where
    it is asked to retry; the address itself is sealed with the connection's credentials. It is `refused_at` from the moment
    that it lets no call of ours in until an admin enters another address or token.
    """

    connection = models.OneToOneField(Connection, models.CASCADE, related_name="platform")
    digest = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=12)
    key_made_at = models.DateTimeField(db_default=Now())
    posted_at = models.DateTimeField(null=True)
    retries_to = models.CharField(max_length=200, blank=True)
    refused_at = models.DateTimeField(null=True)
    refused_words = models.CharField(max_length=300, blank=True)


class FailedRecord(models.Model):
    """A record that failed in a flow of a platform, as it said last: an order's id may fail in two flows at once, each with an
    end of its own. It has these fields alone, so that no buyer's data is kept.

    `cause` is the subject of the case that it is part of. `failures` counts the failures told. Asked: the platform was asked
    to try again, or is about to be, and has not said since what became of it. By hand: a person saw to it, and why.
    """

    class State(models.TextChoices):
        FAILED = "failed", "Failed"
        ASKED = "asked", "Asked to retry"
        SUCCEEDED = "succeeded", "Succeeded"
        BY_HAND = "by-hand", "Done by hand"

    OPEN = (State.FAILED, State.ASKED)

    connection = models.ForeignKey(Connection, models.PROTECT, related_name="failed_records")
    external_id = models.CharField(max_length=LONGEST_ID)
    flow = models.CharField(max_length=LONGEST_FLOW, help_text="orders → ERP")
    about = models.CharField(max_length=LONGEST_ABOUT, help_text="order 203-2816634-1180329")
    code = models.CharField(max_length=LONGEST_CODE, blank=True)
    words = models.CharField(max_length=LONGEST_WORDS)
    cause = models.CharField(max_length=600)
    link = models.CharField(max_length=500, blank=True, help_text="Its page in the platform")
    amount = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    currency = models.CharField(max_length=3, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.FAILED)
    failures = models.PositiveIntegerField(default=1)
    first_failed_at = models.DateTimeField()
    failed_at = models.DateTimeField()
    asked_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "external_id", "flow"], name="one_record_per_id_and_flow"),
            models.CheckConstraint(
                condition=Q(state__in=["failed", "asked", "succeeded", "by-hand"]), name="record_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["failed", "asked"]) ^ Q(ended_at__isnull=False), name="record_ended_has_instant"
            ),
            models.CheckConstraint(condition=~Q(state="asked") | Q(asked_at__isnull=False), name="asked_when"),
            models.CheckConstraint(
                condition=Q(amount=None, currency="") | Q(amount__gte=0) & ~Q(currency=""), name="amount_has_currency"
            ),
        ]
        indexes = [
            models.Index(
                fields=["connection", "cause", "failed_at"], name="open_by_cause", condition=Q(state__in=["failed", "asked"])
            ),
            models.Index(fields=["ended_at"], name="records_ended", condition=Q(ended_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.external_id


class Retry(models.Model):
    """A call that asks the platform to try one record again. Written before anything leaves, and sent once at the most.

    It is leaving from just before the call until its answer is written. Where that never comes, its outcome is not known, and
    it is not sent again: the platform's next report says what became of the record.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting to leave"
        LEAVING = "leaving", "Leaving"
        TAKEN = "taken", "Taken by the platform"
        UNKNOWN = "unknown", "Left, and no answer came"
        REFUSED = "refused", "Refused by the platform"
        UNSENT = "unsent", "Not sent"

    record = models.ForeignKey(FailedRecord, models.CASCADE, related_name="retries")
    number = models.PositiveIntegerField()
    key = models.CharField(max_length=60, unique=True)
    job = models.ForeignKey(Job, models.PROTECT, related_name="+")
    asked_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    tries = models.PositiveIntegerField(default=0)
    status = models.PositiveSmallIntegerField(null=True, help_text="Of the HTTP answer")
    words = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    left_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["record", "number"], name="one_retry_per_number"),
            models.UniqueConstraint(
                fields=["record"], condition=Q(state__in=["waiting", "leaving"]), name="one_retry_under_way"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "leaving", "taken", "unknown", "refused", "unsent"]),
                name="retry_state_known",
            ),
        ]
        indexes = [models.Index(fields=["job", "id"], name="retries_to_send", condition=Q(state="waiting"))]

    def __str__(self) -> str:
        return self.key
