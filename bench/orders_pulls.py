"""The measured process: pulls the orders of Amazon's stand-in as a worker does, and reads its pages with httpx alone."""

import json
import sys
import time
from datetime import UTC, date, datetime, timedelta

import django
import httpx

django.setup()

from django.db import connection, transaction  # noqa: E402

from apps.catalog.bulk import Said, map_skus  # noqa: E402
from apps.catalog.listings import listings_for  # noqa: E402
from apps.catalog.models import Item  # noqa: E402
from apps.core.models import Entity, User  # noqa: E402
from apps.exceptions.sweep import sweep_entity  # noqa: E402
from apps.integrations.connectors.amazon.orders import FIRST, INCLUDED  # noqa: E402
from apps.integrations.credentials import seal  # noqa: E402
from apps.integrations.models import Connection, Source  # noqa: E402
from apps.integrations.runs import run_here  # noqa: E402

CREDENTIALS = {
    "client_id": "amzn1.application-oa2-client.sandbox",
    "client_secret": "amzn1.oa2-cs.v1.sandbox-secret",
    "refresh_token": "Atzr|sandbox-bench",
}
LONG_AGO = date(2020, 1, 1)
STAY = ("orders_order", "orders_orderitem", "orders_buyer", "catalog_listing", "exceptions_case", "integrations_command")
WRITTEN = """
    SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE relname = ANY(%s)
"""
here: dict = {}


def meet(url: str) -> dict:
    """Read every page once, so that the stand-in has it ready; what is sold on them."""
    world = httpx.get(f"{url}/control/world").json()
    grant = {"grant_type": "refresh_token", **CREDENTIALS}
    here["token"] = httpx.post(f"{url}/auth/o2/token", data=grant).json()["access_token"]
    here["url"], here["account"], here["marketplaces"] = url, world["account"], world["marketplaces"]
    found, named = 0, set()
    for orders in _pages():
        found += len(orders)
        for order in orders:
            place = order["salesChannel"].get("marketplaceId", "")
            named |= {(place, line["product"]["sellerSku"], "", "") for line in order["orderItems"]}
    here["named"] = sorted(named)
    return {"orders": found}


def open_company(number: int) -> dict:
    """A company that has mapped every second SKU, connected to the stand-in."""
    entity = Entity.objects.create(name=f"Bench {number}", country="GB", zone="Europe/London", base_currency="GBP")
    person = User.objects.create_user(email=f"bench{number}@example.org", name="Bench")
    person.memberships.create(entity=entity, role="admin")
    seller = Connection.objects.create(
        entity=entity, name="Amazon", kind=Connection.Kind.AMAZON, account=here["account"], endpoint=here["url"],
        token_url=f"{here['url']}/auth/o2/token", marketplaces=here["marketplaces"],
    )  # fmt: skip
    seal(seller, CREDENTIALS, None)
    listings = sorted(listings_for(seller, here["named"]).values())[::2]
    items = Item.objects.bulk_create(Item(entity=entity, code=f"I{listing}", title="An item") for listing in listings)
    said = [Said(listing, [(item, 1)], LONG_AGO) for listing, item in zip(listings, items, strict=True)]
    with transaction.atomic():
        map_skus(entity=entity, said=said, reason="Measured", actor=person, source="person")
    here["source"] = Source.objects.create(connection=seller, feed="amazon.orders", every=timedelta(minutes=15))
    return {"mapped": len(said)}


def read_alone() -> dict:
    begun = time.perf_counter()
    found = sum(len(orders) for orders in _pages())
    return {"seconds": time.perf_counter() - begun, "orders": found}


def pull() -> dict:
    """All that there is, as after a lost cursor, and the sweep of the company that follows. `written`: rows, by table."""
    source = here["source"]
    Source.objects.filter(pk=source.pk).update(cursor={})
    before = _written()
    begun = time.perf_counter()
    run = run_here(Source.objects.get(pk=source.pk))
    sweep_entity(source.entity)
    seconds = time.perf_counter() - begun
    if run.verdict or not run.ended_at:
        raise SystemExit(f"The run ended with {run.verdict} {run.evidence}.")
    written = {table: rows - before[table] for table, rows in _written().items() if rows != before[table]}
    counts = {"added": run.added, "unchanged": run.unchanged, "unreadable": run.unreadable}
    return {"seconds": seconds, "written": written, **counts}


def _pages():
    """What the connector asks for, by httpx alone."""
    since = datetime.now(UTC) - FIRST
    asked = {
        "lastUpdatedAfter": since.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "marketplaceIds": ",".join(here["marketplaces"]), "includedData": INCLUDED, "maxResultsPerPage": "100",
    }  # fmt: skip
    with httpx.Client(headers={"x-amz-access-token": here["token"]}) as client:
        while True:
            body = json.loads(client.get(f"{here['url']}/orders/2026-01-01/orders", params=asked).content)
            yield body["orders"]
            if not (token := body.get("pagination", {}).get("nextToken")):
                return
            asked["paginationToken"] = token


def _written() -> dict[str, int]:
    """PostgreSQL's own counters of rows inserted, updated and deleted."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(WRITTEN, [list(STAY)])
        return dict(cursor.fetchall())


for question in sys.stdin:
    asked = json.loads(question)
    answer = {"meet": meet, "open_company": open_company, "read_alone": read_alone, "pull": pull}[asked.pop("do")](**asked)
    print(json.dumps(answer), flush=True)
