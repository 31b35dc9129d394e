"""200 uploads from a generator: refused in words with nothing changed, or imported right; and never in much memory."""

import re
import subprocess
import sys

import pytest
from django.conf import settings

from apps.catalog.models import Item
from apps.core.permissions import Role
from apps.imports.models import Import, ImportRow
from apps.imports.operations import take_file
from apps.integrations.models import Job
from tests.factories import EntityFactory, person
from tests.imports.hostile import KINDS, Hostile, files, worst
from tests.imports.sheets import bring, csv_of, save

pytestmark = pytest.mark.django_db(transaction=True)
SEED = 20261121
MOST_MEMORY = 300  # MB
PARTS = 4

READ = """
import sys
import django
django.setup()
from apps.integrations.jobs import run_here
from apps.integrations.models import Job
job = run_here(Job.objects.get(pk=sys.argv[1]))
# Of this program alone: getrusage counts what its parent held when it started it.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(job.state, int(peak.split()[1]) // 1024)
"""


@pytest.fixture
def entity():
    return EntityFactory(name="Brackenfold Home Ltd")


@pytest.fixture
def ada(entity):
    return person(Role.ADMIN, entity, name="Ada Moor")


def check(sent: Hostile, entity, ada) -> None:
    before = list(Item.objects.order_by("pk").values())
    row = bring(entity, ada, sent.content, name="upload")
    if sent.refused:
        assert row.state == Import.State.REFUSED, "it was read"
        assert re.search(sent.refused, row.words, re.DOTALL), row.words
        assert not ImportRow.objects.filter(of=row).exists()
        assert list(Item.objects.order_by("pk").values()) == before
        return
    assert row.state == Import.State.READY, row.words
    found = [" ".join(words for _, words in bad.faults) for bad in row.rows.filter(outcome__in=["bad", "conflict"])]
    assert len(found) == len(sent.faults), found
    assert all(re.search(words, said) for words, said in zip(sent.faults, found, strict=True)), found
    if sent.items:
        save(row, ada)
    known = {each["id"] for each in before}
    assert dict(Item.objects.exclude(pk__in=known).values_list("code", "title")) == sent.items
    assert list(Item.objects.filter(pk__in=known).order_by("pk").values()) == before


@pytest.mark.parametrize("part", range(PARTS))
def test_each_of_200_uploads_is_refused_in_words_or_imported_right(part: int, entity, ada):
    sent = files(SEED)
    assert len(sent) == 200 and len({each.content for each in sent}) == 200
    for number in range(part, len(sent), PARTS):
        try:
            check(sent[number], entity, ada)
        except AssertionError as error:
            raise AssertionError(f"upload {number}, {sent[number].kind}: {error}") from error


def test_every_kind_comes_more_than_once():
    assert len(KINDS) * 3 <= 200


def test_more_rows_than_are_taken_are_refused(entity, ada):
    row = bring(entity, ada, csv_of([["Item", "Title"], *([f"M-{n}", "Mug"] for n in range(100_001))]))
    assert row.words == "It has more than 100,000 rows. Split it."
    assert not ImportRow.objects.exists()


@pytest.mark.processes
def test_the_worst_upload_is_read_in_little_memory(entity, ada, process_env):
    row = take_file(entity=entity, sheet="items", mode="good", name="worst.xlsx", chunks=[worst()], actor=ada)
    job = Job.objects.get(pk=row.job_id)
    ran = subprocess.run(
        [sys.executable, "-c", READ, str(job.pk)], env=process_env, cwd=settings.BASE_DIR, capture_output=True, text=True
    )
    state, memory = ran.stdout.split()[-2:]
    row.refresh_from_db()
    assert (state, row.state, row.rows_read) == ("done", "ready", 100_000), (ran.stderr, row.words)
    assert int(memory) < MOST_MEMORY
