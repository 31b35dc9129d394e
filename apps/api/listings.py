"""Listings: which SKU is which item, the mapping over time, and changing it after a preview."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone
from rest_framework import serializers

from apps.api.acting import Weighed
from apps.api.fields import Named, Told
from apps.api.resources import Query, Resource
from apps.catalog.models import Listing, MappingPart, SkuMapping
from apps.core.models import User
from apps.core.permissions import READ_ORDERS
from apps.orders.mapping_deeds import DEEDS, fitting_deeds
from apps.work.deeds import Deed


class PartOut(Told):
    """So many of an item in one sold unit."""

    code = serializers.CharField(source="item.code", read_only=True, help_text="The item's number")
    title = serializers.CharField(source="item.title", read_only=True)

    class Meta:
        model = MappingPart
        fields = ["code", "title", "quantity"]
        read_only_fields = fields


class MappingOut(Told):
    """Which item a listing is in a period; several parts are a bundle."""

    since = serializers.DateField(source="period.lower", read_only=True, help_text="Its first day")
    until = serializers.DateField(source="period.upper", read_only=True, allow_null=True, help_text="The day after its last")
    made_by = Named(read_only=True)
    parts = PartOut(many=True, read_only=True)

    class Meta:
        model = SkuMapping
        fields = ["id", "since", "until", "parts", "source", "reason", "made_by", "made_at"]
        read_only_fields = fields


class ListingOut(Told):
    """A merchant SKU at one channel, with the mappings that are in force on some day, the newest first."""

    entity = Named(read_only=True)
    connection = Named(read_only=True)
    mappings = MappingOut(source="in_force", many=True, read_only=True)

    class Meta:
        model = Listing
        fields = [
            *("id", "entity", "connection", "marketplace", "sku", "channel", "asin", "fnsku", "ean", "title"),
            *("first_seen_at", "changed_at", "mappings"),
        ]
        read_only_fields = fields


class ListingQuery(Query):
    mapped = serializers.BooleanField(required=False, help_text="Only those with an item today or later, or only the others.")
    sku = serializers.CharField(required=False, max_length=120, help_text="Only with this SKU.")


class Listings(Weighed, Resource):
    kind = "listing"
    says = {
        "list": "Listings by SKU, each with its mappings.",
        "retrieve": "One listing with its mappings.",
    }
    serializer_class = ListingOut
    query_class = ListingQuery
    permission = READ_ORDERS
    entity_path = "connection__entity_id"
    order = ("sku", "pk")

    def visible(self, user: User) -> QuerySet[Listing]:
        said = SkuMapping.objects.in_force().order_by("-period").select_related("made_by").prefetch_related("parts__item")
        rows = Listing.objects.visible_to(user).select_related("connection__entity")
        return rows.prefetch_related(Prefetch("mappings", said, to_attr="in_force"))

    def narrow(self, rows: QuerySet[Listing], asked: Mapping[str, Any]) -> QuerySet[Listing]:
        if "sku" in asked:
            rows = rows.filter(sku=asked["sku"])
        if "mapped" not in asked:
            return rows
        mapped = Exists(_to_come(timezone.localdate()))
        return rows.filter(mapped if asked["mapped"] else ~mapped)

    def offered(self, listing: Listing) -> list[Deed]:
        return fitting_deeds(listing)

    def named(self, listing: Listing, name: str) -> Deed | None:
        return DEEDS.get(name)


def _to_come(today: date) -> QuerySet[SkuMapping]:
    said = SkuMapping.objects.in_force().filter(listing=OuterRef("pk"))
    return said.filter(Q(period__endswith=None) | Q(period__endswith__gt=today))
