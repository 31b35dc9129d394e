"""The first cases of a filter by rank, fast whether nearly all of 100,000 cases fit it or twenty do.

The server guesses badly how many rows have a word, and from a wrong guess it walks a whole queue for a handful of cases, or
sorts a whole queue for its top. So what is asked for is looked for near the top first, then among all that fit.
"""

from collections.abc import Sequence
from heapq import merge
from itertools import islice

from django.db import connection
from django.db.models import Q

from apps.core.permissions import Team
from apps.exceptions.models import Case

WALKED = 500  # cases of a queue that are looked at near its top
Ranked = tuple[float, int]  # the score with its sign turned, so that the highest comes first, and the id


def ranked(
    queues: Sequence[tuple[int, Team]], condition: Q, size: int, *, after: Q | None = None, rare: bool = False
) -> list[Case]:
    """The first cases of these (company, team), behind `after`. `rare`: few cases, or nobody knows how many, may fit."""
    if not queues:
        return []
    after = after or Q()
    found = _sought(queues, condition, after, size) if rare else _walked(queues, condition & after, size)
    cases = Case.objects.select_related("entity", "assigned_to", "claimed_by", "earlier").in_bulk([pk for _, pk in found])
    return [cases[pk] for _, pk in found]


def behind(score: float, pk: int) -> Q:
    """The cases that rank below this one."""
    return Q(score__lt=score) | Q(score=score, id__gt=pk)


def _walked(queues: Sequence[tuple[int, Team]], condition: Q, size: int) -> list[Ranked]:
    """Each queue is a branch that walks its part of queue_by_rank."""
    branches = [_of(queue).filter(condition).by_rank().values_list("score", "id")[:size] for queue in queues]
    first = branches[0]
    if len(branches) > 1:
        first = first.union(*branches[1:], all=True).order_by("-score", "id")[:size]
    return [(-score, pk) for score, pk in first]


def _sought(queues: Sequence[tuple[int, Team]], condition: Q, after: Q, size: int) -> list[Ranked]:
    near: dict[int, list[Ranked]] = {place: [] for place in range(len(queues))}
    for place, score, pk in _run(*_union([_near(queue, condition, after, size) for queue in queues], "place, score, id")):
        near[place].append((-score, pk))
    thin = [queue for place, queue in enumerate(queues) if len(near[place]) < size]
    full = [found for found in near.values() if len(found) == size]
    far: list[Ranked] = []
    if thin:
        sql, values = _union([_all(queue, condition & after) for queue in thin], "score, id")
        far = [(-score, pk) for score, pk in _run(f"{sql} ORDER BY score DESC, id LIMIT %s", (*values, size))]
    return list(islice(merge(*full, far), size))


def _near(queue: tuple[int, Team], condition: Q, after: Q, size: int) -> tuple[str, tuple]:
    """Only the top of the queue stands under the table's name, and is read no further than `size` hits go."""
    top, of_top = _of(queue).defer(None).filter(after).by_rank()[:WALKED].query.sql_with_params()
    hits, of_hits = Case.objects.filter(condition).by_rank().values_list("score", "id")[:size].query.sql_with_params()
    return f"WITH exceptions_case AS ({top}) {hits}", (*of_top, *of_hits)


def _all(queue: tuple[int, Team], condition: Q) -> tuple[str, tuple]:
    """OFFSET 0 keeps the server from taking the order of the rank for a short cut."""
    sql, values = _of(queue).filter(condition).order_by().values_list("score", "id").query.sql_with_params()
    return f"{sql} OFFSET 0", values


def _of(queue: tuple[int, Team]):
    entity, team = queue
    return Case.objects.live().filter(entity_id=entity, team=team)


def _union(branches: Sequence[tuple[str, tuple]], columns: str) -> tuple[str, tuple]:
    parts = [f"SELECT {place} AS place, * FROM ({sql}) branch" for place, (sql, _) in enumerate(branches)]
    return f"SELECT {columns} FROM ({' UNION ALL '.join(parts)}) found", tuple(each for _, values in branches for each in values)


def _run(sql: str, values: tuple) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()
