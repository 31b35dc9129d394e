"""The data of the release before, brought up to this one: nothing is lost, every guard stands, every main screen shows it."""

import json
import re
import subprocess
import sys

import psycopg
import pytest
from django.conf import settings

from opsconsole.operate import pg_tools
from tests.children import environment
from tests.operate.databases import another_database, connect, counts
from tests.operate.release import text

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

COUNTED_ANEW = {"exceptions_tally"}  # it follows from the cases
IAN = "ian@brackenfold.example"  # an admin reads everything
PLACES = [
    *("/", "/search/?q=linen", "/settlements/", "/settlements/21480713367/", "/orders/", "/jobs/", "/runs/"),
    *("/connections/", "/journals/", "/exports/", "/close/", "/chains/", "/mapping/", "/mapping/chart/", "/accounts/"),
    *("/listings/", "/items/", "/imports/", "/stock/", "/audit/"),
    *(f"/queue/{team}/" for team in ("finance", "ecommerce", "ops", "admin")),
]
# What the schema holds, by name: constraints, indexes, triggers, and what the application's role may do to each table.
SHAPE = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) || CASE WHEN convalidated THEN '' ELSE ' NOT VALID' END
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT table_name, grantee, string_agg(privilege_type, ', ' ORDER BY privilege_type)
        FROM information_schema.role_table_grants WHERE grantee = 'opsconsole' GROUP BY 1, 2
"""
# PostgreSQL spells a condition that it has read from a dump with other casts and brackets than the one it was given first.
SPELLING = re.compile(r"::(character varying|text)(\[\])?|[()\s]")


def run(env: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shape(database: str) -> set[tuple]:
    """Without the tables that tests of this run made for themselves."""
    with connect("owner", database) as found:
        rows = found.execute(SHAPE).fetchall()
    return {(table, name, SPELLING.sub("", what)) for table, name, what in rows if not table.startswith("test_")}


def test_the_release_before_becomes_this_one():
    with another_database("upgraded") as name:
        pg_tools.run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={name}", text=text())
        before = counts(name)
        assert before["settlements_settlementline"] > 10_000 and before["exceptions_case"] and before["ledger_journal"]
        env = environment(name)
        run(env, "manage.py", "migrate", "--verbosity=0")

        after = counts(name)
        lost = {table: (rows, after.get(table, 0)) for table, rows in before.items() if after.get(table, 0) < rows}
        assert lost.keys() <= COUNTED_ANEW
        assert sorted(shape(name) ^ shape(settings.DATABASES["default"]["NAME"])) == []

        with connect("owner", name) as found:
            cases = [f"/cases/{pk}/" for (pk,) in found.execute("SELECT min(id) FROM exceptions_case GROUP BY type").fetchall()]
        seen = json.loads(run(env, "-m", "tests.operate.looking", IAN, *PLACES, *cases))
        assert {address: seen[address] for address in (*PLACES, *cases) if seen[address][0] != 200} == {}
        assert seen["/settlements/21480713367/"][1].startswith("Settlement 21480713367 ties out to the cent")

        for refused in ("UPDATE core_auditentry SET reason = ''", "DELETE FROM ledger_exportbatch"):
            with connect("default", name) as application, pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(refused)
        with connect("owner", name) as owner, pytest.raises(psycopg.DatabaseError, match="its lines cannot be changed"):
            owner.execute("UPDATE ledger_journalline SET debit = debit + 1 WHERE debit > 0")
