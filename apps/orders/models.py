"""Orders as the channel last said they are, what holds each, and who bought (kept apart, and purged)."""

from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Q, Value
from django.db.models.functions import Coalesce, Now

from apps.catalog.models import Channel, Listing
from apps.core.models import Entity, User
from apps.core.permissions import READ_ORDERS
from apps.integrations.models import Connection


class Status(models.TextChoices):
    """Orders 2026-01-01's own words (amazon-api.md 2.3)."""

    PENDING_AVAILABILITY = "PENDING_AVAILABILITY", "Pre-order"
    PENDING = "PENDING", "Payment pending"
    UNSHIPPED = "UNSHIPPED", "Unshipped"
    PARTIALLY_SHIPPED = "PARTIALLY_SHIPPED", "Partly shipped"
    SHIPPED = "SHIPPED", "Shipped"
    CANCELLED = "CANCELLED", "Cancelled"
    UNFULFILLABLE = "UNFULFILLABLE", "Unfulfillable"


class Route(models.TextChoices):
    """Where an order goes (domain.md 2.5). Only `SHIP` ever reaches a warehouse."""

    PENDING = "pending", "Waits for payment"
    HELD = "held", "Held"
    SHIP = "ship", "Released to fulfilment"
    RECORD = "record", "Recorded: Amazon ships it"
    NO_SALE = "no-sale", "Not a sale of Amazon's"
    ENDED = "ended", "Cancelled before release"
    DONE = "done", "Nothing left to ship"


class Hold(models.TextChoices):
    """Why an order is held. It is free when none is left."""

    CHANNEL = "channel", "Nobody says who ships it"
    SKU = "sku", "A SKU has no item"


NOT_SHIPPED = (Status.UNSHIPPED, Status.PARTIALLY_SHIPPED)
HOUR = timedelta(hours=1)


class OrderQuerySet(models.QuerySet["Order"]):
    def visible_to(self, user: User) -> "OrderQuerySet":
        return self.filter(entity__in=user.entities_where(READ_ORDERS))

    def to_ship(self) -> "OrderQuerySet":
        """Those that we ship and have not (domain.md 2.5)."""
        ours = self.filter(on_amazon=True, route__in=[Route.HELD, Route.SHIP], status__in=NOT_SHIPPED)
        return ours.exclude(channel=Channel.AFN)

    def late(self, now: datetime) -> "OrderQuerySet":
        """Those to ship within their company's warning of the ship-by, or past it."""
        hours = Coalesce(F("entity__order_settings__warn_before"), OrderSettings().warn_before)
        warning = ExpressionWrapper(hours * Value(HOUR), output_field=DurationField())
        until = ExpressionWrapper(Value(now, output_field=DateTimeField()) + warning, output_field=DateTimeField())
        # As an alias: straight in the filter, the join would leave out companies that set nothing.
        return self.to_ship().alias(warned_until=until).filter(ship_by__lte=F("warned_until"))


class Order(models.Model):
    """`channel` is empty where the record did not say AFN or MFN: then `channel_said` holds what it did say.

    `content` is the hash of what the channel sent, so that a replay changes nothing. `total` is None where it is not known
    yet: it is never a silent zero. `holds` lists what keeps it from its route; `released_at` is when its command was written.
    """

    # Without indexes of their own: longer ones begin with them, and a shorter one misleads the planner in a new table.
    entity = models.ForeignKey(Entity, models.PROTECT, related_name="orders", db_index=False)
    connection = models.ForeignKey(Connection, models.PROTECT, related_name="orders", db_index=False)
    order_id = models.CharField(max_length=50)
    marketplace = models.CharField(max_length=20)
    on_amazon = models.BooleanField(help_text="Sold on Amazon; multi-channel fulfilment is not")
    channel = models.CharField(max_length=3, choices=Channel, blank=True)
    channel_said = models.CharField(max_length=60, blank=True)
    channel_set_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", db_index=False)
    status = models.CharField(max_length=20, choices=Status)
    purchased_at = models.DateTimeField()
    changed_at = models.DateTimeField(help_text="As the channel says")
    ship_by = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    total = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    content = models.CharField(max_length=64)
    route = models.CharField(max_length=10, choices=Route)
    holds = ArrayField(models.CharField(max_length=10, choices=Hold), default=list)
    released_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField(db_default=Now())

    objects = OrderQuerySet.as_manager()

    class Meta:
        ordering = ["-purchased_at"]
        constraints = [
            models.UniqueConstraint(fields=["connection", "order_id"], name="one_order_per_id"),
            models.CheckConstraint(condition=Q(channel__in=["", "AFN", "MFN"]), name="order_channel_known"),
            models.CheckConstraint(condition=Q(route__in=Route.values), name="order_route_known"),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="order_status_known"),
            models.CheckConstraint(condition=~Q(route="ship") | Q(channel="MFN"), name="only_mfn_orders_ship"),
            models.CheckConstraint(
                condition=Q(route="held") & ~Q(holds=[]) | ~Q(route="held") & Q(holds=[]), name="held_orders_have_holds"
            ),
            models.CheckConstraint(condition=Q(total=None) | ~Q(currency=""), name="order_total_has_currency"),
        ]
        indexes = [
            models.Index(fields=["entity", "-purchased_at", "-id"], name="orders_by_date"),
            models.Index(fields=["entity", "ship_by"], condition=Q(route__in=["held", "ship"]), name="orders_by_ship_by"),
        ]

    def __str__(self) -> str:
        return self.order_id

    @property
    def waits_for_shipping(self) -> bool:
        """Nobody has shipped it yet, and it is not Amazon that will. Whether it may leave is another question."""
        return self.status in NOT_SHIPPED and self.channel != Channel.AFN

    @property
    def hold_words(self) -> str:
        """Nobody says who ships it and a SKU has no item. Empty where nothing holds it."""
        first, *more = [Hold(hold).label for hold in self.holds] or [""]
        return " and ".join([first, *(label[0].lower() + label[1:] for label in more)])


class OrderItem(models.Model):
    """`price` is of all units, before tax where the marketplace says so; None where it is not known yet.

    `mapped_at_arrival`: its SKU had an item, for the day of purchase, when the line first came; kept as it was, whatever is
    mapped or undone later. None where nobody kept it.
    """

    order = models.ForeignKey(Order, models.CASCADE, related_name="items", db_index=False)  # the constraint's serves
    item_id = models.CharField(max_length=50, help_text="The channel's id of the line")
    listing = models.ForeignKey(Listing, models.PROTECT, related_name="order_items")
    title = models.CharField(max_length=500, blank=True)
    quantity = models.PositiveIntegerField()
    shipped = models.PositiveIntegerField(default=0)
    price = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    mapped_at_arrival = models.BooleanField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "item_id"], name="one_order_item_per_id"),
        ]


class Buyer(models.Model):
    """Personal data of an order, each field classed in apps.orders.buyers. The row goes N days after delivery."""

    order = models.OneToOneField(Order, models.CASCADE, related_name="buyer")
    name = models.CharField(max_length=200, blank=True)
    email = models.CharField(max_length=254, blank=True)
    phone = models.CharField(max_length=60, blank=True)
    address = models.JSONField(default=dict)


PURGE_AFTER = 30  # days


class OrderSettings(models.Model):
    """How a company works its orders."""

    entity = models.OneToOneField(Entity, models.CASCADE, related_name="order_settings")
    purge_after = models.PositiveIntegerField(default=PURGE_AFTER, help_text="Days after delivery")
    warn_before = models.PositiveIntegerField(default=12, help_text="Hours before its ship-by")

    @property
    def warning(self) -> timedelta:
        return self.warn_before * HOUR
