"""Chart of accounts, tax on fees, journals. Knows nothing of where a journal comes from."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.core.models import Entity, User
from apps.core.permissions import READ_MONEY
from apps.core.ranges import key_range


class AccountQuerySet(models.QuerySet["Account"]):
    def postable(self) -> "AccountQuerySet":
        """Those that fees may be mapped to. Carried forward is the journal builder's own: a fee there never comes to zero."""
        return self.filter(closed_at=None).exclude(role=Account.Role.CARRIED_FORWARD)


class Account(models.Model):
    """A ledger account. `role` marks those that the journal builder itself posts to or checks.

    A closed one keeps what was booked to it; a journal with a line on it is not approved.
    """

    class Role(models.TextChoices):
        CLEARING = "clearing", "Amazon clearing"
        CARRIED_FORWARD = "carried-forward", "Carried forward"
        RESERVE = "reserve", "Reserve"
        FACILITATOR = "facilitator", "Facilitator contra"

    class Kind(models.TextChoices):
        ASSET = "asset", "Balance sheet, asset"
        LIABILITY = "liability", "Balance sheet, liability"
        INCOME = "income", "Income"
        EXPENSE = "expense", "Cost of sales and expenses"

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="accounts")
    code = models.CharField(max_length=20)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind)
    role = models.CharField(max_length=20, choices=Role, blank=True)
    closed_at = models.DateTimeField(null=True)

    objects = AccountQuerySet.as_manager()

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["entity", "code"], name="one_account_per_code"),
            models.UniqueConstraint(fields=["entity", "role"], condition=~Q(role=""), name="one_account_per_role"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class TaxCode(models.Model):
    """A rate contained in a gross amount and the account its tax goes to. Rate in percent; no account where the rate is 0."""

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="tax_codes")
    code = models.CharField(max_length=20)
    name = models.CharField(max_length=120)
    rate = models.DecimalField(max_digits=7, decimal_places=4)
    account = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["entity", "code"], name="one_tax_code"),
            models.CheckConstraint(
                condition=Q(rate=0) | Q(rate__gt=0, account__isnull=False), name="taxed_has_account"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TaxClass(models.Model):
    """Fees that are taxed alike, e.g. "selling fees", "FBA fees". `default_leg` is taken where an order's leg is not known."""

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="tax_classes")
    name = models.CharField(max_length=60)
    default_leg = models.CharField(max_length=5, help_text="GB>GB")

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["entity", "name"], name="one_tax_class")]

    def __str__(self) -> str:
        return self.name


class TaxRule(models.Model):
    """Which code taxes a class of fees on a leg in a period. Leg "*" stands for each leg without a rule of its own."""

    ANY_LEG = "*"

    tax_class = models.ForeignKey(TaxClass, models.PROTECT, related_name="rules")
    leg = models.CharField(max_length=5)
    period = DateRangeField()
    tax_code = models.ForeignKey(TaxCode, models.PROTECT, related_name="+")
    made_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", help_text="Nobody: from a chart")

    class Meta:
        ordering = ["tax_class", "leg", "period"]
        constraints = [
            ExclusionConstraint(
                name="one_tax_rule_at_a_time",
                expressions=[
                    (key_range("tax_class_id", "leg"), RangeOperators.OVERLAPS),
                    ("period", RangeOperators.OVERLAPS),
                ],
            )
        ]


class JournalQuerySet(models.QuerySet["Journal"]):
    def visible_to(self, user: User) -> "JournalQuerySet":
        return self.filter(entity_id__in=user.entities_where(READ_MONEY))


class Journal(models.Model):
    """A summarised journal. Balanced by a deferred trigger; `key` makes posting it twice impossible.

    `period` is the month it is posted in: that of its key, or a later one where that month is locked. `corrects` is the
    exported journal of which this one books only the difference. `lines_hash` is over the lines as built; approving copies
    it, and only incomplete journals and drafts can be built anew. `returned` says what ended an approval. `default_leg_lines`
    and `default_leg_amount` say how much of it was taxed by a class's default leg (domain.md 4.4).
    """

    class State(models.TextChoices):
        INCOMPLETE = "incomplete", "Incomplete"
        DRAFT = "draft", "Draft"
        APPROVED = "approved", "Approved"
        EXPORTED = "exported", "Exported"

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="journals")
    key = models.CharField(max_length=120, unique=True, help_text="stl:{settlement-id}:{yyyymm}:{version}")
    currency = models.CharField(max_length=3)
    period = models.DateField(help_text="First day of the accounting month")
    dated = models.DateField()
    state = models.CharField(max_length=10, choices=State)
    corrects = models.ForeignKey("self", models.PROTECT, null=True, related_name="corrections")
    lines_hash = models.CharField(max_length=64)
    approved_hash = models.CharField(max_length=64, blank=True)
    approved_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    approved_at = models.DateTimeField(null=True)
    returned = models.TextField(blank=True)
    default_leg_lines = models.IntegerField(default=0)
    default_leg_amount = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    built_at = models.DateTimeField(db_default=Now())

    objects = JournalQuerySet.as_manager()

    class Meta:
        ordering = ["-period", "key"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["incomplete", "draft", "approved", "exported"]), name="journal_state_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=["incomplete", "draft"], approved_hash="", approved_by=None, approved_at=None
                )
                | Q(
                    state__in=["approved", "exported"],
                    approved_hash=F("lines_hash"),
                    approved_by__isnull=False,
                    approved_at__isnull=False,
                ),
                name="approved_as_built",
            ),
        ]
        indexes = [models.Index(fields=["entity", "-period"], name="journals_by_month")]

    def __str__(self) -> str:
        return self.key

    APPROVAL = ("state", "approved_hash", "approved_by", "approved_at", "returned")

    def end_approval(self, words: str) -> None:
        """A draft again, and why. The caller saves the fields of `APPROVAL`."""
        self.state, self.returned = self.State.DRAFT, words
        self.approved_hash, self.approved_by, self.approved_at = "", None, None


class JournalLine(models.Model):
    """Debit or credit of one account. No account: `label` names the fee that has none, and the journal is incomplete."""

    journal = models.ForeignKey(Journal, models.CASCADE, related_name="lines")
    number = models.PositiveIntegerField()
    account = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")
    label = models.CharField(max_length=600)
    tax_code = models.ForeignKey(TaxCode, models.PROTECT, null=True, related_name="+")
    debit = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    credit = models.DecimalField(max_digits=18, decimal_places=4, default=0)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["journal", "number"], name="one_line_per_number"),
            models.CheckConstraint(
                condition=Q(debit=0, credit__gte=0) | Q(credit=0, debit__gte=0), name="debit_or_credit"
            ),
        ]


class BatchQuerySet(models.QuerySet["ExportBatch"]):
    def visible_to(self, user: User) -> "BatchQuerySet":
        return self.filter(entity_id__in=user.entities_where(READ_MONEY))


class ExportBatch(models.Model):
    """Journals that left together, and the very bytes that left. Numbered without gaps within a company; never changed, only

    voided with a reason, which gives its journals back.
    """

    class Format(models.TextChoices):
        GENERIC = "generic", "Generic CSV"
        XERO = "xero", "Xero manual journals"

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="batches")
    number = models.PositiveIntegerField()
    format = models.CharField(max_length=10, choices=Format)
    content = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(db_default=Now())
    voided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    voided_at = models.DateTimeField(null=True)
    void_reason = models.CharField(max_length=240, blank=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["entity", "number"], name="one_batch_per_number"),
            models.CheckConstraint(
                condition=Q(voided_at=None, voided_by=None, void_reason="")
                | (Q(voided_at__isnull=False, voided_by__isnull=False) & ~Q(void_reason="")),
                name="voided_with_reason",
            ),
        ]

    @property
    def name(self) -> str:
        return f"opsconsole-{self.format}-{self.number:04}.csv"


class BatchJournal(models.Model):
    """That a journal left in a batch. `live` until the batch is voided; a journal is in one live batch at most."""

    batch = models.ForeignKey(ExportBatch, models.PROTECT, related_name="journals")
    journal = models.ForeignKey(Journal, models.PROTECT, related_name="batches")
    live = models.BooleanField(default=True)

    class Meta:
        ordering = ["journal__key"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "journal"], name="journal_once_in_a_batch"),
            models.UniqueConstraint(fields=["journal"], condition=Q(live=True), name="one_live_batch_per_journal"),
        ]


class PeriodLock(models.Model):
    """A closed accounting month of a company. One person asks for it to be unlocked, for a reason; another one does it."""

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="locks")
    month = models.DateField(help_text="Its first day")
    locked_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    locked_at = models.DateTimeField(db_default=Now())
    unlock_reason = models.CharField(max_length=240, blank=True)
    unlock_asked_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    unlock_asked_at = models.DateTimeField(null=True)
    unlocked_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    unlocked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-month", "-locked_at"]
        constraints = [
            models.UniqueConstraint(fields=["entity", "month"], condition=Q(unlocked_at=None), name="one_lock_per_month"),
            models.CheckConstraint(condition=Q(month__day=1), name="locks_whole_months"),
            models.CheckConstraint(
                condition=Q(unlock_asked_by=None, unlock_asked_at=None, unlock_reason="")
                | (Q(unlock_asked_by__isnull=False, unlock_asked_at__isnull=False) & ~Q(unlock_reason="")),
                name="unlock_asked_with_reason",
            ),
            models.CheckConstraint(
                condition=Q(unlocked_by=None, unlocked_at=None)
                | (
                    Q(unlocked_at__isnull=False, unlocked_by__isnull=False, unlock_asked_by__isnull=False)
                    & ~Q(unlocked_by=F("unlock_asked_by"))
                ),
                name="unlocked_by_another",
            ),
        ]
