"""Fee signatures, the rules that map them to accounts, and which rule wins when."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.models import Entity, User
from apps.core.ranges import key_range
from apps.ledger.models import Account, TaxClass


class Treatment(models.TextChoices):
    """Who owes the tax of an order item (architecture.md section 5)."""

    SELLER = "seller", "Seller"
    FACILITATOR = "facilitator", "Facilitator"
    NONE = "none", "–"


class FeeSignature(models.Model):
    """A kind of settlement line: what a person maps. Spelling as first seen; `key` is it trimmed and in lower case."""

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="signatures")
    key = models.CharField(max_length=600)
    marketplace = models.CharField(max_length=80, blank=True)
    transaction_type = models.CharField(max_length=120)
    amount_type = models.CharField(max_length=120)
    amount_description = models.CharField(max_length=240)
    treatment = models.CharField(max_length=12, choices=Treatment)
    first_seen = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entity", "key"], name="one_signature_per_key")]

    def __str__(self) -> str:
        return f"{self.transaction_type} / {self.amount_type} / {self.amount_description}"


class FeeRuleQuerySet(models.QuerySet["FeeRule"]):
    def in_force(self) -> "FeeRuleQuerySet":
        """Those that map something on some day: neither cut to nothing nor undone."""
        return self.filter(period__isempty=False)


class FeeRule(models.Model):
    """Maps the signatures that its patterns match to an account. An empty pattern field matches anything; "*" at the end of a
    description matches any ending. Case and surrounding blanks do not matter. The most specific rule wins (rules.py).

    `tax_class` empty: the amount carries no fee tax. A rule is never edited but for its period: a later version of the same
    pattern cuts it (`cut_by`), down to nothing where it takes its whole place. A version without an account says that the
    mapping was undone; its period is empty.
    """

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="fee_rules")
    marketplace = models.CharField(max_length=80, blank=True)
    transaction_type = models.CharField(max_length=120, blank=True)
    amount_type = models.CharField(max_length=120, blank=True)
    amount_description = models.CharField(max_length=240, blank=True)
    treatment = models.CharField(max_length=12, blank=True, choices=Treatment)
    period = DateRangeField()
    account = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")
    tax_class = models.ForeignKey(TaxClass, models.PROTECT, null=True, related_name="+")
    source = models.CharField(max_length=20, help_text="chart:uk, or person")
    reason = models.CharField(max_length=240, blank=True)
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(db_default=Now())
    cut_by = models.ForeignKey("self", models.PROTECT, null=True, related_name="cuts")

    objects = FeeRuleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(account__isnull=False) | Q(period__isempty=True), name="rule_has_account"),
            ExclusionConstraint(
                name="one_rule_per_pattern_at_a_time",
                expressions=[
                    (
                        key_range(
                            "entity_id",
                            "marketplace",
                            "transaction_type",
                            "amount_type",
                            "amount_description",
                            "treatment",
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                    ("period", RangeOperators.OVERLAPS),
                ],
            )
        ]

    def __str__(self) -> str:
        parts = (self.transaction_type, self.amount_type, self.amount_description, self.marketplace, self.treatment)
        return " / ".join(part for part in parts if part) or "everything"


class Resolution(models.Model):
    """The rule that wins for a signature in a period. Recomputed for just the signatures that a rule change touches."""

    signature = models.ForeignKey(FeeSignature, models.PROTECT, related_name="resolutions")
    period = DateRangeField()
    rule = models.ForeignKey(FeeRule, models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="one_resolution_at_a_time",
                expressions=[(key_range("signature_id"), RangeOperators.OVERLAPS), ("period", RangeOperators.OVERLAPS)],
            )
        ]
