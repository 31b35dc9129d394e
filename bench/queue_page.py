"""The measured process: fills companies with cases, and times their queue pages through the whole Django stack."""

import json
import sys
import time
from statistics import median

import django

django.setup()

from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.urls import reverse  # noqa: E402

from apps.core.models import Entity, User  # noqa: E402
from apps.exceptions.sweep import sweep  # noqa: E402
from apps.exceptions.types import Scope  # noqa: E402
from apps.integrations.models import Connection, StoredFile  # noqa: E402
from apps.settlements.models import Settlement, SettlementVersion  # noqa: E402

FEES = "settlement.fee-unmapped"
REQUESTS = 25
SIGNATURES = """
    INSERT INTO settlements_feesignature
        (entity_id, key, marketplace, transaction_type, amount_type, amount_description, treatment)
    SELECT %(entity)s, 'amazon.co.uk | order | itemfees | pilot fee ' || n || ' | none', 'Amazon.co.uk', 'Order', 'ItemFees',
           'Pilot fee ' || n, 'none'
    FROM generate_series(1, %(cases)s) n
"""
LINES = """
    INSERT INTO settlements_settlementline
        (version_id, line, byte_offset, signature_id, posted_at, amount, order_id, order_item_code, sku, fulfillment)
    SELECT %(version)s, n + 2, n * 170, signature.first + n %% %(cases)s, '2026-10-26 12:00+00', -1.25,
           'order ' || n / 6, '', '', 'AFN'
    FROM generate_series(1, %(lines)s) n,
         (SELECT min(id) AS first FROM settlements_feesignature WHERE entity_id = %(entity)s) signature
"""
ROLLUPS = """
    INSERT INTO settlements_rollup (version_id, signature_id, day, leg, lines, credit, debit)
    SELECT %(version)s, signature_id, '2026-10-26', '', count(*), 0, -sum(amount)
    FROM settlements_settlementline WHERE version_id = %(version)s GROUP BY signature_id
"""
RARE = """
    UPDATE exceptions_case SET notes = 'Asked the office in Luxembourg'
    WHERE id IN (SELECT id FROM exceptions_case WHERE entity_id = %(entity)s ORDER BY id LIMIT 20)
"""
clients: dict[str, Client] = {}


def prepare(company: str, cases: int, lines: int) -> dict[str, int]:
    """A company with one taken settlement whose lines are spread over so many unmapped fees; a sweep opens the cases. All are
    about a pilot fee; 20 have a word of their own.
    """
    entity = Entity.objects.create(name=company, country="GB", zone="Europe/London", base_currency="GBP")
    person = User.objects.create_user(email=f"{company.lower()}@example.org", name=company)
    person.memberships.create(entity=entity, role="finance")
    place = Connection.objects.create(entity=entity, name="Amazon UK")
    file = StoredFile.objects.create(
        connection=place, sha256=company, name="settlement.txt", size=lines * 170, path=company
    )
    instants = dict.fromkeys(("start_at", "end_at", "deposit_at"), "2026-11-07T00:00Z")
    settlement = Settlement.objects.create(
        entity=entity, connection=place, settlement_id=f"1{lines}", currency="GBP", **instants
    )
    version = SettlementVersion.objects.create(
        settlement=settlement, number=1, file=file, state="taken", rows_hash=company, total=-lines, sum=-lines, lines=lines,
        encoding="UTF-8", line_end="LF", date_style="31.12.2026", decimal_style="1.00",
    )  # fmt: skip
    values = {"entity": entity.pk, "version": version.pk, "cases": cases, "lines": lines}
    with connection.cursor() as cursor:
        for statement in (SIGNATURES, LINES, ROLLUPS):
            cursor.execute(statement, values)
    first, second = sweep(FEES, Scope(entity=entity)), sweep(FEES, Scope(entity=entity))
    with connection.cursor() as cursor:
        cursor.execute(RARE, values)
    clients[company] = Client(headers={"host": "localhost"})
    clients[company].force_login(person)
    return {"opened": first.opened, "changed_by_a_second_sweep": second.opened + second.refreshed + second.cleared}


def pages(companies: list[str], asked: str = "") -> dict[str, dict[str, float]]:
    """Median seconds and queries of each company's page. The requests alternate, so that both meet the same machine."""
    url = reverse("queue", args=["finance"]) + asked
    times: dict[str, list[float]] = {company: [] for company in companies}
    for _ in range(REQUESTS):
        for company in companies:
            begun = time.perf_counter()
            response = clients[company].get(url)
            times[company].append(time.perf_counter() - begun)
            if response.status_code != 200:
                raise SystemExit(f"The queue page answered {response.status_code}.")
    queries = {}
    for company in companies:
        with CaptureQueriesContext(connection) as captured:
            clients[company].get(url)
        queries[company] = len(captured)
    return {company: {"seconds": median(times[company]), "queries": queries[company]} for company in companies}


for question in sys.stdin:
    asked = json.loads(question)
    answer = {"prepare": prepare, "pages": pages}[asked.pop("do")](**asked)
    print(json.dumps(answer), flush=True)
