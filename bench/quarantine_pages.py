"""The measured process: holds orders, and maps SKUs through the whole Django stack and the job that follows."""

import json
import re
import sys
import time

import django

django.setup()

from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402

from apps.catalog.models import Item, Listing  # noqa: E402
from apps.core.models import Entity, User  # noqa: E402
from apps.exceptions.models import Case  # noqa: E402
from apps.exceptions.sweep import sweep  # noqa: E402
from apps.exceptions.types import Scope  # noqa: E402
from apps.integrations.jobs import run_here  # noqa: E402
from apps.integrations.models import Command, Connection, Job  # noqa: E402
from apps.orders.routing import RELEASE  # noqa: E402

UNMAPPED = "sku.unmapped"
LISTINGS = """
    INSERT INTO catalog_listing (connection_id, marketplace, sku, channel, asin, fnsku, ean, title, picture)
    SELECT %(place)s, 'A1F83G8C2ARO7P',
           CASE WHEN n < %(rounds)s THEN 'MANY-' || n WHEN n < 2 * %(rounds)s THEN 'FEW-' || n - %(rounds)s
                ELSE 'SOME-' || n END, '', 'B' || lpad(n::text, 9, '0'), '', '', 'Table lamp, model ' || n, ''
    FROM generate_series(0, %(skus)s - 1) n ORDER BY n
"""
ORDERS = """
    INSERT INTO orders_order (entity_id, connection_id, order_id, marketplace, on_amazon, channel, channel_said, status,
                              purchased_at, changed_at, ship_by, currency, total, content, route, holds)
    SELECT %(entity)s, %(place)s, '202-' || n, 'A1F83G8C2ARO7P', true, 'MFN', 'MERCHANT', 'UNSHIPPED',
           now() - n * interval '20 s', now() - n * interval '20 s', now() + interval '1 day', 'GBP', 24.90, n::text, 'held',
           '{sku}'
    FROM generate_series(0, %(orders)s - 1) n
"""
LINES = """
    INSERT INTO orders_orderitem (order_id, item_id, listing_id, title, quantity, shipped, price)
    SELECT o.id, o.content, listing.first + CASE
               WHEN o.n < %(many)s * %(rounds)s THEN o.n / %(many)s
               WHEN o.n < (%(many)s + %(few)s) * %(rounds)s THEN %(rounds)s + (o.n - %(many)s * %(rounds)s) / %(few)s
               ELSE 2 * %(rounds)s + o.n %% (%(skus)s - 2 * %(rounds)s) END, 'Table lamp', 2, 0, 24.90
    FROM (SELECT id, content, content::int AS n FROM orders_order) o, (SELECT min(id) AS first FROM catalog_listing) listing
"""
PLAIN = """
    INSERT INTO integrations_command (entity_id, target, kind, key, subject, payload, state, words)
    SELECT o.entity_id, 'warehouse', 'ship-order', 'plain:' || o.id, 'order:' || o.id,
           jsonb_build_object('order', o.order_id, 'marketplace', o.marketplace, 'lines', jsonb_build_array(
               jsonb_build_object('line', item.item_id, 'item', %(item)s::text, 'quantity', item.quantity))),
           'waiting', ''
    FROM orders_orderitem item JOIN orders_order o ON o.id = item.order_id
    WHERE item.listing_id = %(listing)s
"""
here: dict = {}


def hold(**sizes: int) -> dict:
    """A company whose orders all wait, with one item to map to, and the cases of that."""
    entity = Entity.objects.create(name="Bench Ltd", country="GB", zone="Europe/London", base_currency="GBP")
    person = User.objects.create_user(email="mapper@example.org", name="Mapper")
    person.memberships.create(entity=entity, role="ecommerce")
    place = Connection.objects.create(entity=entity, name="Amazon UK", kind=Connection.Kind.AMAZON)
    item = Item.objects.create(entity=entity, code="LAMP", title="Table lamp")
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in (LISTINGS, ORDERS, LINES):
            cursor.execute(statement, {"entity": entity.pk, "place": place.pk, **sizes})
    client = Client(headers={"host": "localhost"})
    client.force_login(person)
    here.update(client=client, item=item)
    return {"cases": sweep(UNMAPPED, Scope(entity=entity)).opened}


def map_sku(sku: str) -> dict:
    """Preview and commit, then the release as a worker does it, with the plain SQL just before."""
    client, item, listing = here["client"], here["item"], Listing.objects.get(sku=sku)
    case = Case.objects.live().get(type=UNMAPPED, subject=str(listing.pk))
    address = reverse("act", args=[case.pk, "map-sku"])
    form = {"item": item.pk, "units": 1, "since": case.facts["first_day"], "reason": "Measured"}
    begun = time.perf_counter()
    preview = client.post(address, form | {"preview": "1"})
    digest = re.search(r'name="digest" value="([0-9a-f]+)"', preview.content.decode()).group(1)
    done = client.post(address, form | {"digest": digest})
    seconds = time.perf_counter() - begun
    if done.status_code != 302 or Case.objects.live().filter(pk=case.pk).exists():
        raise SystemExit(f"Mapping {sku} answered {done.status_code} and left its case open.")
    writing = _write_plainly(listing.pk, item.code)
    before = Command.objects.count()
    begun = time.perf_counter()
    job = run_here(Job.objects.get(kind=RELEASE, state="waiting"))
    releasing = time.perf_counter() - begun
    commands = Command.objects.count() - before
    said = job.result["words"]
    return {"seconds": seconds, "writing": writing, "releasing": releasing, "commands": commands, "said": said}


def _write_plainly(listing: int, item: str) -> float:
    """Seconds to write and commit the commands that the release will write, under other keys; they go again."""
    begun = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(PLAIN, {"listing": listing, "item": item})
    seconds = time.perf_counter() - begun
    Command.objects.filter(key__startswith="plain:").delete()
    return seconds


for question in sys.stdin:
    asked = json.loads(question)
    print(json.dumps({"hold": hold, "map_sku": map_sku}[asked.pop("do")](**asked)), flush=True)
