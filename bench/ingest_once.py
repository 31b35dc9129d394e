"""The measured process: takes one settlement file into an empty company and says how long it took."""

import json
import sys
import time
from pathlib import Path

import django
from django.core.management import call_command

django.setup()

import psycopg  # noqa: E402
from django.conf import settings  # noqa: E402

from apps.core.models import Entity, User  # noqa: E402
from apps.integrations.files import store  # noqa: E402
from apps.integrations.jobs import create, run_here  # noqa: E402
from apps.integrations.models import Connection  # noqa: E402
from apps.settlements.charts import apply_chart  # noqa: E402
from apps.settlements.models import READ_FILE  # noqa: E402

CHUNK = 1 << 20
LEFT_BEHIND = """
    SELECT (SELECT count(*) FROM settlements_settlementline), (SELECT count(*) FROM ledger_journal),
           (SELECT count(*) FROM exceptions_case WHERE type = 'settlement.fee-unmapped' AND state = 'open')
"""


def main(path: Path) -> None:
    call_command("flush", interactive=False, verbosity=0)
    for raw in Path(settings.MEDIA_ROOT).rglob("*"):
        raw.is_file() and raw.unlink()
    entity = Entity.objects.create(name="Bench Ltd", country="GB", zone="Europe/London", base_currency="GBP")
    person = User.objects.create_user(email="bench@example.org", name="Bench")
    person.memberships.create(entity=entity, role="finance")
    apply_chart(chart="uk", entity=entity, actor=person)
    connection = Connection.objects.create(entity=entity, name="Amazon UK")
    begun = time.perf_counter()
    file = store(connection=connection, name=path.name, chunks=chunks(path), actor=person)
    job = run_here(create(kind=READ_FILE, entity=entity, file=file, actor=person))
    with psycopg.connect(settings.URLS["DATABASE_URL"]) as other:
        lines, journals, cases = other.execute(LEFT_BEHIND).fetchone()
    seconds = time.perf_counter() - begun
    print(
        json.dumps(
            {
                "seconds": seconds,
                "lines": lines,
                "journals": journals,
                "cases": cases,
                "status": job.result.get("status"),
            }
        )
    )


def chunks(path: Path):
    with path.open("rb") as source:
        while block := source.read(CHUNK):
            yield block


main(Path(sys.argv[1]))
