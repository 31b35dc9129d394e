"""manage.py ingest_settlement: one JSON line a file with every key, exit status 2 when a file was refused."""

import json
import os
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.integrations.models import Connection, StoredFile
from tests.factories import ConnectionFactory, EntityFactory
from tests.settlements.files import File

pytestmark = pytest.mark.django_db(transaction=True)
KEYS = {
    "file", "status", "reason", "line", "settlement_id", "currency", "lines", "sum", "total", "ties", "signatures",
    "unmapped", "journals", "exceptions",
}  # fmt: skip


@pytest.fixture
def settlement(tmp_path):
    path = tmp_path / "settlement.txt"
    path.write_bytes(File().bytes())
    return path


def ingest(*args) -> tuple[int, list[dict]]:
    """(exit status, verdicts), each verdict with every key."""
    out, status = StringIO(), 0
    try:
        call_command("ingest_settlement", *map(str, args), stdout=out)
    except SystemExit as ended:
        status = ended.code
    verdicts = [json.loads(row) for row in out.getvalue().splitlines()]
    assert all(verdict.keys() >= KEYS for verdict in verdicts)
    return status, verdicts


def test_one_line_a_file_and_the_connection_is_made(settlement, tmp_path):
    EntityFactory()
    held, broken = tmp_path / "held.txt", tmp_path / "broken.txt"
    held.write_bytes(File(settlement_id="2", total="1.00").bytes())
    broken.write_bytes(b"x")
    assert ingest(held, "--connection", "Amazon")[0] == 0
    status, verdicts = ingest(settlement, settlement, held, broken, "--connection", "Amazon")
    assert (status, [verdict["status"] for verdict in verdicts]) == (2, ["taken", "known", "known", "refused"])
    assert [verdict["file"] for verdict in verdicts] == [str(path) for path in (settlement, settlement, held, broken)]
    assert verdicts[0]["total"] == "105.00"


def test_without_entity_it_is_the_connections(settlement):
    EntityFactory()
    ConnectionFactory(name="Amazon")
    assert ingest(settlement, "--connection", "Amazon")[1][0]["status"] == "taken"


@pytest.mark.parametrize(
    ("args", "reason", "says"),
    [
        (["--connection", "Amazon"], "entity-needed", "Brightfold Ltd, Garten GmbH"),
        (["--connection", "Amazon", "--entity", "Nobody"], "entity-unknown", "Brightfold Ltd, Garten GmbH"),
        (["--connection", " ", "--entity", "Garten GmbH"], "connection-unnamed", "1 to 120"),
        (["--connection", "x" * 121, "--entity", "Garten GmbH"], "connection-unnamed", "1 to 120"),
    ],
)
def test_without_a_place_for_it_each_file_is_refused(settlement, args, reason, says):
    for name in ("Brightfold Ltd", "Garten GmbH"):
        EntityFactory(name=name)
    status, [verdict] = ingest(settlement, *args)
    assert (status, verdict["status"], verdict["reason"]) == (2, "refused", reason)
    assert says in verdict["words"]
    assert not Connection.objects.exists()


def test_a_name_that_is_no_text_is_stored_readable(tmp_path):
    EntityFactory()
    path = os.fsdecode(os.fsencode(tmp_path / "w") + b"\xff.txt")
    with open(path, "wb") as file:
        file.write(File().bytes())
    assert ingest(path, "--connection", "Amazon")[1][0]["file"] == path
    assert StoredFile.objects.get().name == "w?.txt"


@pytest.mark.parametrize(("path", "says"), [("/proc/self/mem", "cannot be stored"), ("/proc", "is not a file")])
def test_what_cannot_be_read_is_named(path, says):
    EntityFactory()
    with pytest.raises(CommandError, match=f"{path} {says}"):
        ingest(path, "--connection", "Amazon")
