"""What the database refuses, whoever asks: proved with SQL of the application's role."""

from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, connection, transaction

from apps.exceptions.models import Case, State, Tally
from tests.factories import CaseFactory, UserFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 13, tzinfo=UTC)


def refused(sql: str, *values, because: str) -> None:
    with pytest.raises(DatabaseError, match=because), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)


def insert_like(case: Case, **changes) -> tuple[str, list]:
    """INSERT of a copy of the case's row with other values."""
    names = [field.column for field in Case._meta.concrete_fields if field.column not in ("id", "words")]
    picked = ", ".join("%s" if name in changes else name for name in names)
    sql = f"INSERT INTO exceptions_case ({', '.join(names)}) SELECT {picked} FROM exceptions_case WHERE id = {case.pk}"
    return sql, [changes[name] for name in names if name in changes]


def test_one_live_case_per_cause():
    case = CaseFactory(state=State.OPEN)
    snoozed, values = insert_like(case, state="snoozed", snoozed_until=NOW)
    refused(snoozed, *values, because="one_live_case_per_cause")
    ended, values = insert_like(case, state="cleared", ended_at=NOW)
    with connection.cursor() as cursor:
        cursor.execute(ended, values)
        cursor.execute(ended, values)
    assert Case.objects.count() == 3


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ("state = 'dismissed', ended_at = now()", "held_back_not_dismissed"),
        ("state = 'cleared'", "case_ended_has_instant"),
        ("ended_at = now()", "case_ended_has_instant"),
        ("state = 'claimed'", "claimed_by_someone"),
        ("state = 'snoozed'", "snoozed_until_when"),
        ("state = 'snoozed', snoozed_until = now(), snoozed_above = 5", "snoozed_until_when"),
        ("state = 'forgotten', ended_at = now()", "case_state_known"),
        ("stake = -0.01", "stake_not_negative"),
        ("state = 'cleared', ended_at = now(), assigned_to_id = (SELECT max(id) FROM core_user)", "case_ended_is_nobodys"),
    ],
)
def test_a_case_is_never_in_a_state_that_does_not_exist(change, because):
    case = CaseFactory(holds_back=True)
    UserFactory()
    refused(f"UPDATE exceptions_case SET {change} WHERE id = %s", case.pk, because=because)


def test_a_dismissed_case_cannot_come_to_hold_work_back():
    case = CaseFactory(holds_back=False, state=State.DISMISSED, ended_at=NOW)
    refused("UPDATE exceptions_case SET holds_back = true WHERE id = %s", case.pk, because="held_back_not_dismissed")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO exceptions_tally SELECT * FROM exceptions_tally",
        "UPDATE exceptions_tally SET cases = cases + 1",
        "DELETE FROM exceptions_tally",
        "TRUNCATE exceptions_tally",
    ],
)
def test_only_the_trigger_writes_the_tally(sql):
    CaseFactory()
    refused(sql, because="permission denied")


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE exceptions_case DISABLE TRIGGER tally_insert",
        "DROP TRIGGER tally_insert ON exceptions_case",
        "SET session_replication_role = replica",
        "TRUNCATE exceptions_case CASCADE",
    ],
)
def test_the_trigger_cannot_be_put_aside(sql):
    refused(sql, because="must be owner|permission denied")


def test_a_table_of_the_same_name_takes_no_count_away():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE exceptions_tally (LIKE public.exceptions_tally INCLUDING ALL)")
        CaseFactory()
        cursor.execute("SELECT sum(cases) FROM public.exceptions_tally")
        assert cursor.fetchone() == (1,)


def test_the_tally_follows_every_statement():
    entity = CaseFactory(stake=100).entity
    many = [CaseFactory.build(entity=entity, stake=n, currency="EUR") for n in range(1, 5)]
    Case.objects.bulk_create(many)
    Case.objects.filter(currency="EUR", stake__gte=3).update(
        state=State.CLAIMED, claimed_by=UserFactory(), claimed_until=NOW
    )
    Case.objects.filter(stake=4).delete()
    Case.objects.filter(stake=1).update(state=State.CLEARED, ended_at=NOW)
    counted = Tally.objects.exclude(cases=0).values_list("state", "currency", "cases", "stake")
    assert set(counted) == {("open", "GBP", 1, 100), ("open", "EUR", 1, 2), ("claimed", "EUR", 1, 3)}


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        ({"worth": 7}, True),
        ({"team": "ops"}, True),
        ({"holds_back": False}, True),
        ({"state": "snoozed", "snoozed_above": 7}, True),
        ({"lines": 7, "facts": {"seen": "again"}}, False),
    ],
)
def test_the_database_keeps_when_a_case_changed_in_what_alerts_go_by(change, moves):
    case = CaseFactory()
    before = Case.objects.get(pk=case.pk).changed_at
    Case.objects.filter(pk=case.pk).update(**change)
    assert (Case.objects.get(pk=case.pk).changed_at > before) is moves
