"""Orders as the channel last said they are, and what holds each. Buyers only to those whose roles include them."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from rest_framework import serializers

from apps.api.fields import Money, Named, Told
from apps.api.resources import Query, Resource
from apps.core.models import User
from apps.core.permissions import READ_BUYERS, READ_ORDERS
from apps.integrations.models import Command
from apps.orders.buyers import shown_to
from apps.orders.models import Order, OrderItem, Route, Status

VIEWS = ("to-ship", "late")


class OrderOut(Told):
    """An order. `route` says where it goes, `holds` what keeps it from there."""

    entity = Named(read_only=True)
    connection = Named(read_only=True)
    total = Money(allow_null=True, help_text="What the buyer pays; null while it is not known")

    class Meta:
        model = Order
        fields = [
            *("id", "order_id", "entity", "connection", "marketplace", "on_amazon", "channel", "status", "route", "holds"),
            *("purchased_at", "changed_at", "ship_by", "delivered_at", "released_at", "received_at", "currency", "total"),
        ]
        read_only_fields = fields


class OrderItemOut(Told):
    """A line of an order."""

    sku = serializers.CharField(source="listing.sku", read_only=True)
    listing = serializers.IntegerField(source="listing_id", read_only=True, help_text="Id of the listing, which is mapped")
    price = Money(currency="order.currency", allow_null=True, help_text="Of all units; null while it is not known")

    class Meta:
        model = OrderItem
        fields = ["item_id", "sku", "listing", "title", "quantity", "shipped", "price"]
        read_only_fields = fields


class BuyerOut(serializers.Serializer):
    """Who bought."""

    name = serializers.CharField(read_only=True)
    email = serializers.CharField(read_only=True)
    phone = serializers.CharField(read_only=True)
    address = serializers.ListField(child=serializers.CharField(), read_only=True)


class CommandOut(Told):
    """Outbound work, written with its cause and sent once."""

    class Meta:
        model = Command
        fields = ["target", "kind", "state", "words", "created_at"]
        read_only_fields = fields


class OrderDetail(OrderOut):
    """An order with its lines, what was sent on for it, and its buyer where your role reads buyers."""

    items = OrderItemOut(many=True, read_only=True)
    commands = serializers.SerializerMethodField(help_text="What was sent on for it, the oldest first")
    buyer = serializers.SerializerMethodField(help_text="Null where your role does not read buyers, or nobody is kept")

    class Meta(OrderOut.Meta):
        fields = [*OrderOut.Meta.fields, "items", "commands", "buyer"]
        read_only_fields = fields

    def get_commands(self, order: Order) -> CommandOut(many=True):
        sent = Command.objects.filter(entity=order.entity_id, subject=f"order:{order.pk}").order_by("pk")
        return CommandOut(sent, many=True).data

    def get_buyer(self, order: Order) -> BuyerOut(allow_null=True):
        person = self.context["request"].user
        shown = shown_to(person, order) if person.may(READ_BUYERS, order.entity_id) else None
        return BuyerOut(shown).data if shown else None


class OrderQuery(Query):
    view = serializers.ChoiceField(VIEWS, required=False, help_text="Only those to ship, or of them those near or past ship-by.")
    route = serializers.ChoiceField(Route.choices, required=False, help_text="Only those that go there.")
    status = serializers.ChoiceField(Status.choices, required=False, help_text="Only in this state at the channel.")
    order_id = serializers.CharField(required=False, max_length=50, help_text="Only with this id at the channel.")
    changed_since = serializers.DateTimeField(required=False, help_text="Only those that the channel changed since.")


class Orders(Resource):
    says = {
        "list": "Orders, the newest first.",
        "retrieve": "One order with its lines and what was sent on for it; its buyer only where your role reads buyers.",
    }
    serializer_class = OrderOut
    detail_class = OrderDetail
    query_class = OrderQuery
    permission = READ_ORDERS
    order = ("-purchased_at", "-pk")

    def visible(self, user: User) -> QuerySet[Order]:
        items = OrderItem.objects.select_related("listing", "order").order_by("pk")
        rows = Order.objects.visible_to(user).select_related("entity", "connection")
        return rows.prefetch_related(Prefetch("items", items)) if self.action == "retrieve" else rows

    def narrow(self, rows: QuerySet[Order], asked: Mapping[str, Any]) -> QuerySet[Order]:
        if "view" in asked:
            rows = rows.late(timezone.now()) if asked["view"] == "late" else rows.to_ship()
        if "changed_since" in asked:
            rows = rows.filter(changed_at__gte=asked["changed_since"])
        return rows.filter(**{name: asked[name] for name in ("route", "status", "order_id") if name in asked})
