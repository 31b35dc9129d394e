"""What every kind of record shares: its door, the companies in view, its list by pages, one record."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from apps.api.errors import NOTHING_HERE
from apps.api.fields import Id, Strict
from apps.api.paging import MOST, SIZE
from apps.core.models import User
from apps.core.permissions import Permission, check_may


class Page(Strict):
    """What the address of any list may ask."""

    limit = serializers.IntegerField(min_value=1, max_value=MOST, default=SIZE, help_text="How many records a page has.")
    cursor = serializers.CharField(required=False, max_length=2000, help_text="Where to go on: take the address in “next”.")


class Query(Page):
    """Of a kind of record."""

    entity = Id(required=False, help_text="Only of this company. Without it: of all of yours.")


def asks(query: type[Strict]) -> Callable:
    """The handler answers what this query asks, and not a page of the records themselves."""

    def declare(handler: Callable) -> Callable:
        handler.asks = query
        return handler

    return declare


class Resource(GenericViewSet):
    """A kind of record. Subclasses give `visible`, `narrow` where their list can be narrowed, and what else can be done.

    `permission`: who gets in at all; None is everybody with a role. `detail_class` tells one record, where that is more than
    the list tells. `entity_path` leads from the record to its company, `id_type` is what an id in an address is.
    """

    permission: ClassVar[Permission | None] = None
    query_class: ClassVar[type[Query]] = Query
    detail_class: ClassVar[type[serializers.Serializer] | None] = None
    entity_path: ClassVar[str] = "entity_id"
    order: ClassVar[tuple[str, ...]] = ("-pk",)
    lookup_value_regex = r"\d{1,18}"
    id_type: ClassVar[type] = int

    def visible(self, user: User) -> QuerySet:
        """The records that this person reads, with all that telling them needs."""
        raise NotImplementedError

    def narrow(self, rows: QuerySet, asked: Mapping[str, Any]) -> QuerySet:
        """What the address asks for beyond company and page."""
        return rows

    def get_queryset(self) -> QuerySet:
        return self.visible(self.request.user)

    def get_serializer_class(self) -> type[serializers.Serializer]:
        return self.detail_class if self.action == "retrieve" and self.detail_class else self.serializer_class

    def list(self, request: Request, **_: Any) -> Response:
        return self.paged(self.narrow(self.of_entity(self.get_queryset()), self.ask()))

    def retrieve(self, request: Request, **_: Any) -> Response:
        return Response(self.told(self.get_object()))

    def ask(self) -> dict[str, Any]:
        """What the address asks for, checked; kept for the page."""
        query = getattr(getattr(self, self.action), "asks", self.query_class)(data=self.request.query_params.dict())
        query.is_valid(raise_exception=True)
        self.asked = query.validated_data
        return self.asked

    def of_entity(self, rows: QuerySet) -> QuerySet:
        """Of the company that the address names. Another's is not there; in one of theirs the person needs the permission."""
        entity_id = self.ask().get("entity")
        if entity_id is None:
            return rows
        membership = self.request.user.memberships.filter(entity=entity_id).select_related("entity").first()
        if membership is None:
            raise NotFound(NOTHING_HERE)
        if self.permission:
            check_may(self.request.user, self.permission, membership.entity)
        return self.within(rows, entity_id)

    def within(self, rows: QuerySet, entity_id: int) -> QuerySet:
        return rows.filter(**{self.entity_path: entity_id})

    def paged(self, rows: QuerySet) -> Response:
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def told(self, record: Any) -> Any:
        return (self.detail_class or self.serializer_class)(record, context=self.get_serializer_context()).data

    def sent(self, body: type[serializers.Serializer]) -> dict[str, Any]:
        """The body of the request, checked."""
        found = body(data=self.request.data, context=self.get_serializer_context())
        found.is_valid(raise_exception=True)
        return found.validated_data


class NothingHere(APIView):
    """Every address that is none."""

    authentication_classes = permission_classes = throttle_classes = ()
    schema = None  # and so not in the documents

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound(NOTHING_HERE)
