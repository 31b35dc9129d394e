"""Chart of accounts, tax on fees, journals. Knows nothing of where a journal comes from."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Cast, Concat, Now

from apps.core.models import Entity, User
from apps.core.permissions import READ_MONEY


def key_range(*columns: str) -> Func:
    """A one-point int8range of the hash of some columns: lets GiST compare scalars without the extension btree_gist."""
    parts = [part for column in columns for part in (Cast(F(column), models.TextField()), Value("\x1f"))]
    key = Func(Concat(*parts, output_field=models.TextField()), Value(0), function="hashtextextended")
    return Func(key, key, Value("[]"), function="int8range")


class Account(models.Model):
    """A ledger account. `role` marks those that the journal builder itself posts to or checks."""

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
    """A summarised journal of one accounting month. Balanced by a deferred trigger; `key` makes posting it twice impossible.

    `default_leg_lines` and `default_leg_amount` say how much of it was taxed by a class's default leg (domain.md 4.4).
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
    default_leg_lines = models.PositiveIntegerField(default=0)
    default_leg_amount = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    built_at = models.DateTimeField(db_default=Now())

    objects = JournalQuerySet.as_manager()

    class Meta:
        ordering = ["-period", "key"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["incomplete", "draft", "approved", "exported"]), name="journal_state_known"
            )
        ]
        indexes = [models.Index(fields=["entity", "-period"], name="journals_by_month")]

    def __str__(self) -> str:
        return self.key


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
