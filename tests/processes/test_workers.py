"""Real worker processes under the real supervisor: a long statement keeps its lease, a killed worker is replaced."""

import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from apps.core.models import Entity
from apps.integrations import jobs
from apps.integrations.files import store
from apps.integrations.leases import LEASE
from apps.integrations.models import Attempt, Connection, Job, JobState
from apps.settlements.models import READ_FILE, RollUp, SettlementLine
from tests.factories import ConnectionFactory, EntityFactory
from tests.polling import eventually
from tests.processes.kinds import BLINK, COPY, ROWS, SLEEP
from tests.processes.watching import state, worker_group

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

GENERATOR = Path(settings.BASE_DIR).parent / "shared" / "tools" / "make_settlement.py"
ORDERS = 30_000  # some 175,000 lines: COPY takes long enough to be met
CLAIMED_WITHIN = 30  # seconds after kill -9, as promised


def silent_job(entity: Entity) -> Job:
    """A job whose runner died."""
    job = Job.objects.create(
        kind=BLINK.name,
        entity=entity,
        args={"seconds": 0},
        state=JobState.RUNNING,
        attempts_made=1,
        runner="host:1:gone",
        lease_until=Now() - LEASE,
    )
    Attempt.objects.create(job=job, number=1, runner=job.runner)
    return job


def copying(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_progress_copy WHERE datname = current_database()"
            " AND relid = %s::regclass AND tuples_processed > 0)",
            [table],
        )
        return cursor.fetchone()[0]


def kill_amid_copy(job: Job, table: str) -> None:
    """kill -9 the whole worker group while it COPYs; return when the replacement has the job."""
    eventually(lambda: copying(table), f"a COPY into {table}", seconds=120)
    killed = worker_group(job)
    os.killpg(killed, signal.SIGKILL)
    eventually(lambda: job.attempts.filter(number=2).exists(), "the replacement to claim the job", CLAIMED_WITHIN)
    assert worker_group(job) != killed
    assert [attempt.outcome for attempt in job.attempts.all()] == ["lost", "running"]


def test_sixty_seconds_in_one_statement_are_one_attempt(supervised):
    entity = EntityFactory()
    with supervised("files", "quick", "beat"):
        job = jobs.enqueue(kind=SLEEP.name, entity=entity, args={"seconds": 60})
        eventually(lambda: state(job) == JobState.RUNNING, "a worker to start", seconds=60)
        rescued = 0
        while state(job) == JobState.RUNNING:
            other = silent_job(entity)
            eventually(lambda other=other: state(other) == JobState.DONE, "beat to rescue another job", seconds=60)
            rescued += 1
    assert rescued > 1  # expired leases were looked for all along
    assert state(job) == JobState.DONE
    assert [(attempt.number, attempt.outcome) for attempt in job.attempts.all()] == [(1, "done")]


def test_a_worker_killed_amid_a_copy_is_replaced_and_nothing_is_written_twice(supervised):
    entity = EntityFactory()
    with supervised("files", "quick", "beat"):
        job = jobs.enqueue(kind=COPY.name, entity=entity)
        kill_amid_copy(job, "ledger_account")
        assert not entity.connections.exists()
        eventually(lambda: state(job) == JobState.DONE, "the replacement to end", seconds=120)
    assert entity.accounts.count() == ROWS


def read_settlement(connection: Connection, folder: Path, settlement_id: str) -> Job:
    """A job for a generated file; the same orders under any settlement id of the same length."""
    path = folder / f"{settlement_id}.txt"
    subprocess.run(
        [
            *(sys.executable, GENERATOR, f"--orders={ORDERS}", "--unmapped=20", "--locale=uk", "--seed=11"),
            *(f"--settlement-id={settlement_id}", f"--out={path}"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with path.open("rb") as raw:
        file = store(connection=connection, name=path.name, chunks=iter(lambda: raw.read(1 << 20), b""), actor=None)
    return jobs.create(kind=READ_FILE, entity=connection.entity, file=file)


def line_totals(entity: Entity) -> dict:
    """Every line counts: each column of the entity's lines goes into one hash, their order included."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*), sum(amount), md5(string_agg(md5(row(line, byte_offset, key, posted_at, amount, order_id,
                   order_item_code, sku, quantity, fulfillment)::text), '' ORDER BY line))
            FROM settlements_settlementline
            JOIN settlements_feesignature signature ON signature.id = signature_id
            WHERE signature.entity_id = %s
            """,
            [entity.pk],
        )
        return dict(zip(("lines", "sum", "hash"), cursor.fetchone(), strict=True))


def outcome(connection: Connection, settlement_id: str) -> dict:
    """Without what time alone brings: a settlement that is late by today."""
    entity = connection.entity
    cells = RollUp.objects.filter(signature__entity=entity).annotate(key=F("signature__key"))
    cases = entity.cases.live().exclude(type="settlement.missing")
    rows = cases.values_list("type", "subject", "lines", "stake", "currency", "state")
    return {
        "lines": line_totals(entity),
        "rollups": sorted(cells.values_list("key", "day", "leg", "lines", "credit", "debit")),
        "cases": sorted(
            (case[0], case[1].replace(settlement_id, "?").replace(connection.name, "?"), *case[2:]) for case in rows
        ),
    }


@pytest.mark.skipif(not GENERATOR.exists(), reason=f"no generator of settlement files at {GENERATOR.name}")
def test_a_settlement_whose_worker_was_killed_equals_an_undisturbed_one(supervised, tmp_path):
    undisturbed, disturbed = ConnectionFactory(), ConnectionFactory()
    calm = jobs.run_here(read_settlement(undisturbed, tmp_path, "20000000001"))
    assert (calm.state, calm.error) == (JobState.DONE, "")
    with supervised("files", "quick", "beat"):
        job = read_settlement(disturbed, tmp_path, "20000000002")
        jobs.send_on_commit(job)
        kill_amid_copy(job, SettlementLine._meta.db_table)
        eventually(lambda: state(job) == JobState.DONE, "the replacement to end", seconds=240)
    expected = outcome(undisturbed, "20000000001")
    assert expected["lines"]["sum"] != Decimal(0)
    assert len(expected["cases"]) >= 20
    assert outcome(disturbed, "20000000002") == expected
