"""Stock as Amazon and the ERP say it is, snapshot by snapshot, and what is kept back of it."""

from collections.abc import Iterable
from dataclasses import fields
from decimal import Decimal

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.functions import Ceil, Coalesce, Greatest, Now

from apps.catalog.models import Channel, Item, Listing
from apps.core.models import Entity, User
from apps.core.ranges import key_range
from apps.integrations.models import Connection, SyncRun
from apps.inventory.rules import Margin, Quantities, Shown

FEED = "amazon.fba-inventory"
WHOLE = models.DecimalField(max_digits=18, decimal_places=2)


class SnapshotQuerySet(models.QuerySet["Snapshot"]):
    def current(self) -> "SnapshotQuerySet":
        return self.filter(current=True)


class Snapshot(models.Model):
    """One full scan of what Amazon holds for a connection in a marketplace.

    Until it is complete the one before counts; the `current` one is the newest complete one. A SKU that a complete scan
    does not name is gone, which is not the same as zero. Its age counts from `began_at`. `run` and `attempt` say which try
    of which run scanned: another try begins another snapshot.
    """

    connection = models.ForeignKey(Connection, models.PROTECT, related_name="snapshots")
    marketplace = models.CharField(max_length=20)
    run = models.ForeignKey(SyncRun, models.SET_NULL, null=True, related_name="snapshots")
    attempt = models.PositiveIntegerField(default=1)
    began_at = models.DateTimeField(db_default=Now())
    complete_at = models.DateTimeField(null=True)
    current = models.BooleanField(default=False)

    objects = SnapshotQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "attempt", "marketplace"], name="one_snapshot_per_try"),
            models.UniqueConstraint(
                fields=["connection", "marketplace"], condition=Q(current=True), name="one_current_snapshot"
            ),
            models.CheckConstraint(
                condition=Q(current=False) | Q(complete_at__isnull=False), name="only_complete_snapshots_count"
            ),
        ]
        indexes = [models.Index(fields=["connection", "marketplace", "-id"], name="snapshots_by_place")]

    def before(self) -> "Snapshot | None":
        """The complete one that counted before this one."""
        earlier = Snapshot.objects.filter(connection=self.connection_id, marketplace=self.marketplace, pk__lt=self.pk)
        return earlier.exclude(complete_at=None).order_by("-pk").first()


QUANTITIES = tuple(each.name for each in fields(Quantities) if each.name not in ("warehouse", "report_total"))
"""What the inventory API reports. The two others come with the inventory report alone."""


class LevelQuerySet(models.QuerySet["Level"]):
    def current(self) -> "LevelQuerySet":
        return self.filter(snapshot__current=True)

    def low(self) -> "LevelQuerySet":
        """Those of which nothing is left to sell, once the buffer in force is kept back: rules.promise in SQL."""
        held = Buffer.objects.in_force()
        own = held.filter(listing=OuterRef("listing"))
        general = held.filter(listing=None, entity=OuterRef("listing__connection__entity"))

        def of(field: str) -> Coalesce:
            return Coalesce(Subquery(own.values(field)[:1]), Subquery(general.values(field)[:1]), 0, output_field=WHOLE)

        return self.filter(fulfillable__lte=Greatest(of("least"), Ceil(of("percent") * F("fulfillable") / 100)))


class Level(models.Model):
    """What Amazon said of one listing in one snapshot. None is "not reported", never zero (domain.md 2.1)."""

    snapshot = models.ForeignKey(Snapshot, models.CASCADE, related_name="levels")
    listing = models.ForeignKey(Listing, models.PROTECT, related_name="levels")
    fnsku = models.CharField(max_length=20, blank=True)
    condition = models.CharField(max_length=40, blank=True)
    fulfillable = models.PositiveIntegerField(null=True)
    pending_customer_orders = models.PositiveIntegerField(null=True)
    pending_transshipment = models.PositiveIntegerField(null=True)
    fc_processing = models.PositiveIntegerField(null=True)
    reserved = models.PositiveIntegerField(null=True)
    unfulfillable = models.PositiveIntegerField(null=True)
    customer_damaged = models.PositiveIntegerField(null=True)
    warehouse_damaged = models.PositiveIntegerField(null=True)
    distributor_damaged = models.PositiveIntegerField(null=True)
    carrier_damaged = models.PositiveIntegerField(null=True)
    defective = models.PositiveIntegerField(null=True)
    expired = models.PositiveIntegerField(null=True)
    researching = models.PositiveIntegerField(null=True)
    researching_short = models.PositiveIntegerField(null=True)
    researching_mid = models.PositiveIntegerField(null=True)
    researching_long = models.PositiveIntegerField(null=True)
    inbound_working = models.PositiveIntegerField(null=True)
    inbound_shipped = models.PositiveIntegerField(null=True)
    inbound_receiving = models.PositiveIntegerField(null=True)
    total = models.PositiveIntegerField(null=True)
    future_supply_reserved = models.PositiveIntegerField(null=True)
    future_supply_buyable = models.PositiveIntegerField(null=True)
    last_updated = models.DateTimeField(null=True, help_text="When Amazon last changed any of them")

    objects = LevelQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["snapshot", "listing"], name="one_level_per_listing")]

    @property
    def quantities(self) -> Quantities:
        return Quantities(**{name: getattr(self, name) for name in QUANTITIES})

    @property
    def shown(self) -> Shown:
        return Shown(
            connection=self.snapshot.connection_id,
            listing=self.listing_id,
            fnsku=self.fnsku,
            quantities=self.quantities,
        )


class BufferQuerySet(models.QuerySet["Buffer"]):
    def in_force(self) -> "BufferQuerySet":
        """Those that no later one has replaced and nobody has removed."""
        return self.filter(period__endswith=None, period__isempty=False)

    def over(self, listings: "Iterable[Listing]") -> "dict[int, Buffer]":
        """{listing id: what is kept back of it}: its own, or else the company's."""
        listings = list(listings)
        entities = {listing.entity_id for listing in listings}
        held = self.in_force().filter(Q(listing__in=listings) | Q(listing=None, entity__in=entities))
        own, general = {}, {}
        for buffer in held:
            (own if buffer.listing_id else general)[buffer.listing_id or buffer.entity_id] = buffer
        found = {listing.pk: own.get(listing.pk) or general.get(listing.entity_id) for listing in listings}
        return {listing: buffer for listing, buffer in found.items() if buffer}


class Buffer(models.Model):
    """Units kept back from other channels: of one listing, or where `listing` is None, of every listing without its own.

    `channel` is who shipped the listing when the buffer was set. Never edited: a later one ends it, as does removing it.
    """

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="buffers")
    listing = models.ForeignKey(Listing, models.PROTECT, null=True, related_name="buffers")
    channel = models.CharField(max_length=3, choices=Channel, blank=True)
    least = models.PositiveIntegerField(default=0, help_text="Units")
    percent = models.DecimalField(max_digits=5, decimal_places=2, default=Decimal(0), help_text="Of what can be picked")
    period = DateRangeField()
    reason = models.CharField(max_length=240)
    set_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    set_at = models.DateTimeField(db_default=Now())

    objects = BufferQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(percent__gte=0, percent__lte=100), name="buffer_percent_in_range"),
            ExclusionConstraint(
                name="one_buffer_of_a_listing_at_a_time",
                expressions=[(key_range("listing_id"), RangeOperators.OVERLAPS), ("period", RangeOperators.OVERLAPS)],
                condition=Q(listing__isnull=False),
            ),
            ExclusionConstraint(
                name="one_buffer_of_a_company_at_a_time",
                expressions=[(key_range("entity_id"), RangeOperators.OVERLAPS), ("period", RangeOperators.OVERLAPS)],
                condition=Q(listing__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        parts = [f"at least {self.least}"] if self.least else []
        parts += [f"{self.percent.normalize():f} %"] if self.percent else []
        return " and ".join(parts) or "nothing"

    @property
    def margin(self) -> Margin:
        return Margin(least=self.least, percent=self.percent)


class ErpStockQuerySet(models.QuerySet["ErpStock"]):
    def newest(self, *entities: Entity) -> "ErpStockQuerySet":
        """What counts now: of each item and node of these companies the latest count."""
        ordered = self.filter(entity__in=entities).order_by("item_id", "node", "-as_of", "-id")
        return ordered.distinct("item_id", "node")


class ErpStock(models.Model):
    """How many eaches of an item the ERP counts at one of its places, as a stock sheet said."""

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="erp_stock")
    item = models.ForeignKey(Item, models.PROTECT, related_name="erp_stock")
    node = models.CharField(max_length=60, help_text="The ERP's name of the place: FBA-UK")
    on_hand = models.IntegerField(help_text="Eaches; an ERP may count below zero")
    as_of = models.DateTimeField()
    source = models.CharField(max_length=60, help_text="Where it came from: import:12")

    objects = ErpStockQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "node", "as_of", "source"], name="one_count_per_sheet"),
        ]
        indexes = [models.Index("entity", "item", "node", F("as_of").desc(), F("id").desc(), name="erp_stock_newest")]
