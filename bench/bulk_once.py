"""The measured process: 50,000 cases of a company, given to a person by a bulk action, and to another by one SQL statement."""

import json
import sys
import time
from collections.abc import Callable

import django

django.setup()

from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402

from apps.core.models import Entity, User  # noqa: E402
from apps.integrations.jobs import run_here  # noqa: E402
from apps.work.bulk.operations import confirm, freeze  # noqa: E402
from apps.work.filters import CaseFilter  # noqa: E402

CASES = """
    INSERT INTO exceptions_case (type, entity_id, subject, team, state, holds_back, diagnosis, facts, lines, stake, currency,
        worth, rate_known, due_at, score, ending)
    SELECT 'settlement.fee-unmapped', %(entity)s, 'amazon.co.uk | order | itemfees | pilot fee ' || n || ' | none', 'finance',
        'open', true, 'structural',
        jsonb_build_object('marketplace', 'Amazon.co.uk', 'transaction_type', 'Order', 'amount_type', 'ItemFees',
            'amount_description', 'Pilot fee ' || n, 'sign', 'credit', 'first', '2026-10-26'),
        n %% 40, n / 7.0, 'GBP', n / 7.0, true, '2026-12-01 12:00+00', n / 1000.0, '{}'
    FROM generate_series(1, %(cases)s) n
"""
# The same change by one statement: every case, and what the audit says of it.
PLAIN = """
    WITH mine AS (
        SELECT c.id, a.name FROM exceptions_case c LEFT JOIN core_user a ON a.id = c.assigned_to_id
        WHERE c.entity_id = %(entity)s AND c.team = 'finance' AND c.state IN ('open', 'claimed')
    ), moved AS (
        UPDATE exceptions_case c SET assigned_to_id = %(to)s FROM mine WHERE c.id = mine.id
    )
    INSERT INTO core_auditentry (actor_id, actor_name, entity_id, verb, subject, before, after, reason)
    SELECT %(actor)s, %(name)s, %(entity)s, 'case.assigned', 'case:' || id, jsonb_build_object('assigned_to', name),
        jsonb_build_object('assigned_to', %(to_name)s::text), ''
    FROM mine
"""


def prepare(company: str, cases: int) -> dict[str, int]:
    entity = Entity.objects.create(name=company, country="GB", zone="Europe/London", base_currency="GBP")
    for name in ("Ada", "Ben", "Cleo"):
        person = User.objects.create_user(email=f"{name}@{company}.example".lower(), name=name)
        person.memberships.create(entity=entity, role="finance")
    with connection.cursor() as cursor:
        cursor.execute(CASES, {"entity": entity.pk, "cases": cases})
        return {"cases": cursor.rowcount}


def plain(company: str) -> dict[str, float]:
    entity, ada, cleo = Entity.objects.get(name=company), _person("Ada", company), _person("Cleo", company)
    values = {"entity": entity.pk, "to": cleo.pk, "to_name": cleo.name, "actor": ada.pk, "name": ada.name}

    def work() -> int:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(PLAIN, values)
            return cursor.rowcount

    seconds, changed = _timed(work)
    return {"seconds": seconds, "done": changed}


def bulk(company: str, to: str) -> dict[str, float]:
    """Seconds of each part: the freezing in the web worker, the dry run and the doing in the background."""
    entity, ada = Entity.objects.get(name=company), _person("Ada", company)
    asked = {"user": ada, "action": "assign", "data": {"to": _person(to, company).pk}, "entity_ids": [entity.pk]}
    freezing, frozen = _timed(lambda: freeze(**asked, filter=CaseFilter.of({"team": "finance"})))
    checking, _ = _timed(lambda: run_here(frozen.job))
    frozen.refresh_from_db()
    doing, _ = _timed(lambda: run_here(confirm(bulk=frozen, user=ada, digest=frozen.digest).job))
    frozen.refresh_from_db()
    return {"freezing": freezing, "checking": checking, "doing": doing, "done": frozen.done, "state": frozen.state}


def session(company: str) -> dict[str, str]:
    """The cookie of Ada, signed in."""
    client = Client(headers={"host": "localhost"})
    client.force_login(_person("Ada", company))
    return {"cookie": client.cookies["sessionid"].value}


def _person(name: str, company: str) -> User:
    return User.objects.get(email=f"{name}@{company}.example".lower())


def _timed(work: Callable[[], object]) -> tuple[float, object]:
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


for question in sys.stdin:
    asked = json.loads(question)
    answer = {"prepare": prepare, "plain": plain, "bulk": bulk, "session": session}[asked.pop("do")](**asked)
    print(json.dumps(answer), flush=True)
