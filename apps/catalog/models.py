"""Items of the business, listings of its channels, and which item a listing is when (architecture.md section 1)."""

from datetime import date

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.models import Entity, User
from apps.core.permissions import READ_ORDERS
from apps.core.ranges import key_range
from apps.integrations.models import Connection


class Channel(models.TextChoices):
    """Who ships: Amazon from its own centres (AFN), or the merchant (MFN). Empty where nobody said, or said something else."""

    AFN = "AFN", "Fulfilled by Amazon"
    MFN = "MFN", "Fulfilled by us"


class Item(models.Model):
    """What the business stocks and sells, by its own code. `pack`: eaches in one of it."""

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="items")
    code = models.CharField(max_length=60)
    title = models.CharField(max_length=250)
    ean = models.CharField(max_length=14, blank=True)
    asin = models.CharField(max_length=10, blank=True)
    pack = models.PositiveIntegerField(default=1)
    price = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    currency = models.CharField(max_length=3, blank=True)
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["entity", "code"], name="one_item_per_code"),
            models.CheckConstraint(condition=Q(pack__gte=1), name="item_pack_positive"),
            models.CheckConstraint(condition=Q(price=None) | ~Q(currency=""), name="item_price_has_currency"),
        ]
        indexes = [models.Index(fields=["entity", "ean"], name="items_by_ean")]

    def __str__(self) -> str:
        return f"{self.code} {self.title}"


class ListingQuerySet(models.QuerySet["Listing"]):
    def visible_to(self, user: User) -> "ListingQuerySet":
        return self.filter(connection__entity__in=user.entities_where(READ_ORDERS))


class Listing(models.Model):
    """A merchant SKU at one channel: what people map. Orders and stock point here, so mapping it is one row.

    `sku` is as the channel writes it. `channel` is Amazon's word for who ships it, empty where it did not say.
    """

    connection = models.ForeignKey(Connection, models.PROTECT, related_name="listings", db_index=False)  # one_listing_per_sku
    marketplace = models.CharField(max_length=20, help_text="The channel's id of it: A1F83G8C2ARO7P")
    sku = models.CharField(max_length=120)
    channel = models.CharField(max_length=3, choices=Channel, blank=True)
    asin = models.CharField(max_length=10, blank=True)
    fnsku = models.CharField(max_length=20, blank=True)
    ean = models.CharField(max_length=14, blank=True)
    title = models.CharField(max_length=500, blank=True)
    picture = models.URLField(max_length=500, blank=True)
    first_seen_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    objects = ListingQuerySet.as_manager()

    class Meta:
        ordering = ["sku"]
        constraints = [
            models.UniqueConstraint(fields=["connection", "marketplace", "sku"], name="one_listing_per_sku"),
            models.CheckConstraint(condition=Q(channel__in=["", "AFN", "MFN"]), name="listing_channel_known"),
        ]

    def __str__(self) -> str:
        return self.sku

    @property
    def entity(self) -> Entity:
        return self.connection.entity

    @property
    def entity_id(self) -> int:
        return self.connection.entity_id


class SkuMappingQuerySet(models.QuerySet["SkuMapping"]):
    def in_force(self) -> "SkuMappingQuerySet":
        """Those that say something of some day: neither replaced nor undone."""
        return self.filter(period__isempty=False)

    def on(self, day: date) -> "SkuMappingQuerySet":
        return self.filter(period__contains=day)


class SkuMapping(models.Model):
    """Which item a listing is in a period. A bundle has several parts; a listing has one mapping at a time, by constraint.

    Its parts are never edited: a later one ends it. A replaced or undone one has an empty period. `cut_by` took the days
    that it would have without that one.
    """

    listing = models.ForeignKey(Listing, models.PROTECT, related_name="mappings")
    period = DateRangeField()
    source = models.CharField(max_length=60, help_text="person, or import:12")
    reason = models.CharField(max_length=240, blank=True)
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(db_default=Now())
    cut_by = models.ForeignKey("self", models.PROTECT, null=True, related_name="cuts")

    objects = SkuMappingQuerySet.as_manager()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="one_mapping_per_listing_at_a_time",
                expressions=[(key_range("listing_id"), RangeOperators.OVERLAPS), ("period", RangeOperators.OVERLAPS)],
            )
        ]

    def holds_on(self, day: date) -> bool:
        first, until = self.period.lower, self.period.upper
        return not self.period.isempty and first <= day and (until is None or day < until)


class MappingPart(models.Model):
    """`quantity` of the item are in one sold unit of the listing."""

    mapping = models.ForeignKey(SkuMapping, models.CASCADE, related_name="parts")
    item = models.ForeignKey(Item, models.PROTECT, related_name="mapped")
    quantity = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mapping", "item"], name="one_part_per_item"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="part_quantity_positive"),
        ]


class RefusedCandidate(models.Model):
    """What a listing was about to be while it is something else: kept until a person keeps one of the two.

    `words` name its parts by their codes; the same are kept once.
    """

    listing = models.ForeignKey(Listing, models.CASCADE, related_name="candidates")
    words = models.TextField()
    since = models.DateField()
    source = models.CharField(max_length=60, help_text="Where it came from: import:12, person")
    refused_at = models.DateTimeField(db_default=Now())
    refused_from = models.ForeignKey(User, models.PROTECT, related_name="+", help_text="Who was about to save it")
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["listing", "words"], condition=Q(settled_at=None), name="one_refused_candidate"
            )
        ]


class RefusedPart(models.Model):
    """As a MappingPart, of what was refused."""

    candidate = models.ForeignKey(RefusedCandidate, models.CASCADE, related_name="parts")
    item = models.ForeignKey(Item, models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["candidate", "item"], name="one_refused_part_per_item"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="refused_quantity_positive"),
        ]
