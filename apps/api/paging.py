"""Pages by key: a cursor says behind which record the next page begins, so that nothing is missed or told twice."""

from operator import attrgetter
from typing import Any

from django.core import signing
from django.db.models import Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from apps.core.errors import Refused

SIZE, MOST = 50, 200


class Keyset(BasePagination):
    """By the view's `order`: names of columns that are never NULL, "-" before those that fall, together unique.

    Of records that are declared and not stored, a list; their order rises.
    """

    def paginate_queryset(self, queryset: QuerySet | list, request: Request, view: APIView) -> list:
        self.url, self.order, size = request.build_absolute_uri(), view.order, view.asked["limit"]
        self.salt = f"api cursor of {request.path}"
        after = self._read(view.asked["cursor"]) if view.asked.get("cursor") else None
        found = self._declared(queryset, after) if isinstance(queryset, list) else self._stored(queryset, after)
        found = list(found[: size + 1])
        self.last = found[size - 1] if len(found) > size else None
        return found[:size]

    def get_paginated_response(self, data: list) -> Response:
        after = replace_query_param(self.url, "cursor", self._cursor(self.last)) if self.last else None
        return Response({"next": after, "results": data})

    def get_paginated_response_schema(self, schema: dict) -> dict:
        after = {
            "type": "string",
            "format": "uri",
            "nullable": True,
            "description": "The address of the next page; null on the last one",
        }
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {"next": after, "results": schema},
        }

    def get_schema_operation_parameters(self, view: APIView) -> list:
        return []  # apps.api.resources.Query says them

    def _stored(self, queryset: QuerySet, after: list | None) -> QuerySet:
        rows = queryset.order_by(*self.order)
        return rows if after is None else rows.filter(_behind(self.order, after))

    def _declared(self, records: list, after: list | None) -> list:
        key = attrgetter(*self.order, self.order[0])  # a tuple, also of one name
        rows = sorted(records, key=key)
        return rows if after is None else [row for row in rows if key(row) > (*after, after[0])]

    def _cursor(self, row: Any) -> str:
        values = [getattr(row, name.lstrip("-")) for name in self.order]
        return signing.dumps([each if isinstance(each, int | float) else str(each) for each in values], salt=self.salt)

    def _read(self, cursor: str) -> list:
        try:
            return signing.loads(cursor, salt=self.salt)
        except signing.BadSignature as error:
            raise Refused(
                "This cursor is not one of this list. Follow the address in “next”, or begin without a cursor.", field="cursor"
            ) from error


def _behind(order: tuple[str, ...], values: list) -> Q:
    """(a, b) behind (x, y): a > x, or a = x and b > y."""
    behind, same = Q(pk__in=[]), Q()
    for name, value in zip(order, values, strict=True):
        column = name.lstrip("-")
        behind |= same & Q(**{f"{column}__{'lt' if name.startswith('-') else 'gt'}": value})
        same &= Q(**{column: value})
    return behind
