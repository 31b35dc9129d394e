"""What the database itself refuses of settlements, in raw SQL as the running web process would say it."""

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from apps.core.permissions import Role
from apps.settlements.charts import apply_chart
from tests.factories import ConnectionFactory, person
from tests.settlements.files import SALE, File, line
from tests.settlements.take import take

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def place():
    place = ConnectionFactory()
    apply_chart(chart="uk", entity=place.entity, actor=person(Role.FINANCE, place.entity))
    take(place, File())
    take(place, File(lines=(*SALE, line("5.00"))))
    return place


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE settlements_settlementversion SET state = 'taken'", "one_taken_version"),
        ("UPDATE settlements_settlementversion SET sum = sum + 0.01", "taken_ties"),
        ("UPDATE settlements_settlementversion SET number = 1", "one_version_per_number"),
        ("UPDATE settlements_settlementversion SET rows_hash = 'x'", "same_rows_once"),
        ("INSERT INTO settlements_settlement (settlement_id, currency, start_at, end_at, deposit_at, entity_id, connection_id) "
         "SELECT settlement_id, currency, start_at, end_at, deposit_at, entity_id, connection_id FROM settlements_settlement",
         "settlement_id"),
        ("INSERT INTO settlements_settlementline SELECT * FROM settlements_settlementline", "pkey"),
        ("INSERT INTO settlements_rollup (version_id, signature_id, day, leg, lines, credit, debit) "
         "SELECT version_id, signature_id, day, leg, lines, credit, debit FROM settlements_rollup", "one_rollup_per_cell"),
        ("UPDATE settlements_rollup SET debit = -1", "rollup_sides"),
        ("INSERT INTO settlements_resolution (signature_id, period, rule_id) SELECT signature_id, period, rule_id "
         "FROM settlements_resolution", "one_resolution_at_a_time"),
        ("INSERT INTO settlements_feerule (entity_id, marketplace, transaction_type, amount_type, amount_description, treatment, "
         "period, account_id, source, reason, made_by_id) SELECT entity_id, marketplace, transaction_type, amount_type, "
         "amount_description, treatment, period, account_id, source, reason, made_by_id FROM settlements_feerule LIMIT 1",
         "one_rule_per_pattern_at_a_time"),
        ("UPDATE core_entity SET zone = 'Asia/Tokyo'", "zone of .* is frozen"),
        ("UPDATE ledger_journalline SET account_id = NULL", "line without an account"),
    ],
)  # fmt: skip
def test_constraints(place, statement, words):
    with pytest.raises(IntegrityError, match=words), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM settlements_feesignature",
        "DELETE FROM settlements_settlementversion",
        "UPDATE settlements_settlementline SET amount = 0",
        "TRUNCATE settlements_settlementline",
        "DROP TABLE settlements_rollup",
        "ALTER TABLE ledger_journalline DISABLE TRIGGER ALL",
    ],
)
def test_the_applications_role_may_not(place, statement):
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"), connection.cursor() as cursor:
        cursor.execute(statement)
