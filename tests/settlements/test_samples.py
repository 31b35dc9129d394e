"""Real files by others, with the verdicts that EXPECTED.psv gives."""

import csv
import json

import pytest

from apps.core.permissions import Role
from apps.settlements.charts import apply_chart
from tests.factories import ConnectionFactory, person
from tests.samples import READ, sample
from tests.settlements.take import take

# apply_chart sweeps and jobs commit, so these tests need real transactions.
pytestmark = pytest.mark.django_db(transaction=True)
FIELDS = {
    "status": "status",
    "reason": "reason",
    "lines": "lines",
    "sum": "sum",
    "total": "total-amount",
    "currency": "currency",
}


def test_each_sample_gets_its_verdict(record_property):
    connection = ConnectionFactory()
    expected = list(csv.DictReader(sample("EXPECTED.psv").open(), delimiter="|"))
    for row in expected:
        path = sample(row["path"])
        verdict = take(connection, path.read_bytes(), path.name)
        found = {name: "" if verdict[name] is None else str(verdict[name]) for name in FIELDS}
        assert found == {name: row[column] for name, column in FIELDS.items()}, row["path"]
        record_property(READ, row["path"])
    assert len(expected) == 11


@pytest.mark.parametrize(
    ("chart", "path"),
    [("us", "settlement-us-2017/SC_test_File.txt"), ("de", "settlement-de-2024/DE_EUR_2024-09-13_v2.txt")],
)
def test_the_shipped_charts_leave_no_fee_of_a_real_file_unmapped(chart, path):
    connection = ConnectionFactory()
    apply_chart(chart=chart, entity=connection.entity, actor=person(Role.FINANCE, connection.entity))
    verdict = take(connection, sample(path).read_bytes())
    assert (verdict["status"], verdict["unmapped"], verdict["exceptions"]) == ("taken", [], [])
    assert {journal["state"] for journal in verdict["journals"]} == {"draft"}


def test_the_worked_example_comes_out_to_the_cent():
    connection = ConnectionFactory()
    apply_chart(chart="uk", entity=connection.entity, actor=person(Role.FINANCE, connection.entity))
    verdict = take(connection, sample("settlement-worked-example/UK_GBP_2026_worked.txt").read_bytes())
    expected = json.loads(sample("settlement-worked-example/journals.json").read_text())
    assert verdict["journals"] == [
        {"period": period, "debit": expected[period]["total"], "credit": expected[period]["total"], "state": "draft"}
        for period in ("2026-10", "2026-11")
    ]
