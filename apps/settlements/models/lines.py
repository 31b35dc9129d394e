"""The lines of a version, what finds them, and the sums that are kept of them at ingest."""

from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from apps.catalog.models import Listing
from apps.integrations.models import Connection
from apps.settlements.models.fees import FeeSignature, Resolution
from apps.settlements.models.settlements import SettlementVersion


class SettlementLine(models.Model):
    """One line of a file, typed. `line` counts from 1 at the header; `byte_offset` finds the raw line in the stored file.

    Two foreign keys on a table that takes a million rows in one COPY would cost more than the COPY: the version is written in
    the same transaction, and the application's role cannot delete signatures or versions.
    """

    pk = models.CompositePrimaryKey("version_id", "line")
    version = models.ForeignKey(
        SettlementVersion, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    line = models.IntegerField()
    byte_offset = models.BigIntegerField()
    signature = models.ForeignKey(
        FeeSignature, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    posted_at = models.DateTimeField()
    amount = models.DecimalField(max_digits=18, decimal_places=4)
    order_id = models.TextField(blank=True)
    order_item_code = models.TextField(blank=True)
    sku = models.TextField(blank=True)
    quantity = models.IntegerField(null=True)
    fulfillment = models.TextField(blank=True)


class SettledOrder(models.Model):
    """That a version has lines of an order, and between which lines. Finds an order at a sixth of what an index on the lines
    costs at ingest; without foreign key for the reason given at SettlementLine.
    """

    pk = models.CompositePrimaryKey("order_id", "version_id")
    order_id = models.TextField()
    version = models.ForeignKey(
        SettlementVersion, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    first_line = models.IntegerField()
    last_line = models.IntegerField()


class SettledSku(models.Model):
    """The lines that a version has of a listing, and their sum. Written at ingest, so that nobody counts lines by SKU;
    without foreign keys for the reason given at SettlementLine.
    """

    pk = models.CompositePrimaryKey("listing_id", "version_id")
    listing = models.ForeignKey(Listing, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    version = models.ForeignKey(
        SettlementVersion, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    lines = models.IntegerField()
    amount = models.DecimalField(max_digits=18, decimal_places=4)


class RollUpQuerySet(models.QuerySet["RollUp"]):
    def unmapped(self) -> "RollUpQuerySet":
        """Those whose signature no rule covers on their day."""
        resolved = Resolution.objects.filter(signature=OuterRef("signature"), period__contains=OuterRef("day"))
        return self.exclude(Exists(resolved))

    def taken(self) -> "RollUpQuerySet":
        return self.filter(version__state=SettlementVersion.State.TAKEN)


class RollUp(models.Model):
    """Lines of one signature on one day of the entity's zone and one leg ("GB>DE", or empty where not known), summed."""

    version = models.ForeignKey(SettlementVersion, models.PROTECT, related_name="rollups")
    signature = models.ForeignKey(FeeSignature, models.PROTECT, related_name="rollups")
    day = models.DateField()
    leg = models.CharField(max_length=5, blank=True)
    lines = models.PositiveIntegerField()
    credit = models.DecimalField(max_digits=18, decimal_places=4, help_text="Sum of the amounts above zero")
    debit = models.DecimalField(
        max_digits=18, decimal_places=4, help_text="Sum of the amounts below zero, without sign"
    )

    objects = RollUpQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "signature", "day", "leg"], name="one_rollup_per_cell"),
            models.CheckConstraint(condition=Q(credit__gte=0, debit__gte=0, lines__gt=0), name="rollup_sides"),
        ]


class Arrival(models.Model):
    """How much of a version had an account when it was read, by week (its Monday) and marketplace, money without sign.

    Written once: what is mapped later changes the share of now, and not this. Versions read before it was kept have none.
    """

    version = models.ForeignKey(SettlementVersion, models.PROTECT, related_name="arrivals")
    marketplace = models.CharField(max_length=80, blank=True)
    week = models.DateField()
    lines = models.PositiveIntegerField()
    money = models.DecimalField(max_digits=18, decimal_places=4)
    mapped_lines = models.PositiveIntegerField()
    mapped_money = models.DecimalField(max_digits=18, decimal_places=4)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "marketplace", "week"], name="one_arrival_per_week"),
            models.CheckConstraint(
                condition=Q(mapped_lines__lte=F("lines"), mapped_money__lte=F("money")), name="arrival_mapped_is_a_part"
            ),
        ]


class OrderLeg(models.Model):
    """Where an order was shipped from and to: a fact that a settlement file lacks (domain.md 4.4)."""

    connection = models.ForeignKey(Connection, models.PROTECT, related_name="+")
    order_id = models.TextField()
    ship_from = models.CharField(max_length=2)
    ship_to = models.CharField(max_length=2)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "order_id"], name="one_leg_per_order")]
