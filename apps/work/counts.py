"""How many cases fit each of several filters, in one query that looks at no more of them than a person wants to know."""

from collections.abc import Collection, Sequence

from django.db import connection

from apps.core.models import User
from apps.work.filters import CaseFilter

MOST = 1000  # cases counted; a badge says 999+ then


def counts(filters: Sequence[CaseFilter], user: User, entity_ids: Collection[int]) -> list[int]:
    """Of each filter the number of its cases that the person may see in these companies, at most MOST."""
    branches = [each.cases(user, entity_ids).order_by().values("pk")[:MOST].query.sql_with_params() for each in filters]
    if not branches:
        return []
    counted = (f"SELECT {place} AS place, count(*) FROM ({sql}) found" for place, (sql, _) in enumerate(branches))
    with connection.cursor() as cursor:
        cursor.execute(f"{' UNION ALL '.join(counted)} ORDER BY place", [value for _, values in branches for value in values])
        return [number for _, number in cursor.fetchall()]
