"""Stock: what Amazon holds of each listing, how old that is, what of it other channels may sell; setting its buffer."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from rest_framework import serializers

from apps.api.acting import Acting
from apps.api.fields import Named, Told
from apps.api.resources import Query, Resource
from apps.catalog.models import Listing
from apps.core.models import User
from apps.core.permissions import READ_STOCK
from apps.inventory.buffer_deeds import REMOVE, SET, deeds_of
from apps.inventory.freshness import stale_snapshots
from apps.inventory.models import QUANTITIES, Buffer, Level
from apps.inventory.rules import Margin, promise
from apps.work.deeds import Deed


class BufferOut(Told):
    """What is kept back: the larger of the two."""

    percent = serializers.SerializerMethodField(help_text="Of what can be picked")
    of = serializers.SerializerMethodField(help_text="“listing” for its own, “company” for that of every listing without one")

    class Meta:
        model = Buffer
        fields = ["least", "percent", "of"]
        read_only_fields = fields

    def get_percent(self, buffer: Buffer) -> str:
        return f"{buffer.percent:f}"

    def get_of(self, buffer: Buffer) -> serializers.ChoiceField(["listing", "company"]):
        return "listing" if buffer.listing_id else "company"


class UnitsOut(Told):
    """Units as Amazon reports them. Null is “not reported”, never zero."""

    class Meta:
        model = Level
        fields = [*QUANTITIES, "total"]
        read_only_fields = fields


class StockOut(Told):
    """A listing with what Amazon holds of it. Its id is the listing's."""

    entity = Named(read_only=True)
    connection = Named(read_only=True)
    counted_at = serializers.DateTimeField(source="level.snapshot.began_at", read_only=True, help_text="When Amazon was asked")
    stale = serializers.BooleanField(read_only=True, help_text="Whether that is too long ago to rely on")
    units = UnitsOut(source="level", read_only=True)
    buffer = BufferOut(read_only=True, allow_null=True)
    available = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="What other channels may sell; null where Amazon did not say"
    )

    class Meta:
        model = Listing
        fields = [
            *("id", "entity", "connection", "marketplace", "sku", "channel", "asin", "fnsku", "counted_at", "stale", "units"),
            *("buffer", "available"),
        ]
        read_only_fields = fields


class StockQuery(Query):
    sku = serializers.CharField(required=False, max_length=120, help_text="Only of this SKU.")
    low = serializers.BooleanField(required=False, help_text="Only where nothing is left to sell elsewhere, or only the others.")


class Stock(Acting, Resource):
    says = {
        "list": "What Amazon holds, by SKU, as its newest complete scan says.",
        "retrieve": "What Amazon holds of one listing, by the listing's id.",
    }
    serializer_class = StockOut
    query_class = StockQuery
    permission = READ_STOCK
    entity_path = "connection__entity_id"
    order = ("sku", "pk")

    def visible(self, user: User) -> QuerySet[Listing]:
        mine = Listing.objects.filter(Exists(_of_listing()), connection__entity__in=user.entities_where(READ_STOCK))
        levels = Level.objects.current().select_related("snapshot")
        return mine.select_related("connection__entity").prefetch_related(Prefetch("levels", levels, to_attr="now"))

    def narrow(self, rows: QuerySet[Listing], asked: Mapping[str, Any]) -> QuerySet[Listing]:
        if "sku" in asked:
            rows = rows.filter(sku=asked["sku"])
        if "low" not in asked:
            return rows
        low = Exists(_of_listing().low())
        return rows.filter(low if asked["low"] else ~low)

    def paginate_queryset(self, rows: QuerySet[Listing]) -> list[Listing]:
        return weighed_up(super().paginate_queryset(rows))

    def get_object(self) -> Listing:
        return weighed_up([super().get_object()])[0]

    def offered(self, listing: Listing) -> list[Deed]:
        return list(deeds_of(listing).values())

    def named(self, listing: Listing, name: str) -> Deed | None:
        return {SET.name: SET, REMOVE.name: REMOVE}.get(name)


def weighed_up(listings: Sequence[Listing]) -> Sequence[Listing]:
    """Each with its level, whether that is stale, its buffer and what other channels may sell, in three queries."""
    buffers, old = Buffer.objects.over(listings), stale_snapshots({listing.entity for listing in listings})
    for listing in listings:
        listing.level, listing.buffer = listing.now[0], buffers.get(listing.pk)
        listing.stale = listing.level.snapshot_id in old
        promised = promise(listing.level.fulfillable, listing.buffer.margin if listing.buffer else Margin())
        listing.available = promised and promised.available
    return listings


def _of_listing() -> QuerySet[Level]:
    return Level.objects.current().filter(listing=OuterRef("pk"))
