"""What no statement of the application's role can do, whatever the code does: undo an approval's meaning, an export, a lock."""

from datetime import date

import pytest
from django.db import DatabaseError, connection, transaction

from apps.core.models import User
from apps.ledger.models import Account, BatchJournal, ExportBatch, Journal, JournalLine, PeriodLock
from tests.factories import EntityFactory, JournalFactory, UserFactory, approved

pytestmark = pytest.mark.django_db

OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
VOIDED = "voided_at = now(), voided_by_id = made_by_id, void_reason = 'Wrong books'"


@pytest.fixture
def entity():
    return EntityFactory()


@pytest.fixture
def marta() -> User:
    return UserFactory(name="Marta Lis")


def booked(entity, **values) -> Journal:
    """A balanced draft."""
    journal = JournalFactory(entity=entity, **values)
    account, _ = Account.objects.get_or_create(
        entity=entity, code="1200", defaults={"name": "Clearing", "kind": "asset"}
    )
    for number, side in enumerate(("debit", "credit"), 1):
        JournalLine.objects.create(journal=journal, number=number, account=account, label="Clearing", **{side: 10})
    return journal


@pytest.fixture
def draft(entity) -> Journal:
    return booked(entity)


@pytest.fixture
def journal(entity, marta) -> Journal:
    """Approved."""
    return approved(booked(entity), marta)


@pytest.fixture
def batch(entity, marta, journal) -> ExportBatch:
    """The journal has left in it."""
    batch = ExportBatch.objects.create(
        entity=entity, number=1, format="generic", content=b"bytes", sha256="0" * 64, made_by=marta
    )
    BatchJournal.objects.create(batch=batch, journal=journal)
    Journal.objects.filter(pk=journal.pk).update(state="exported")
    connection.check_constraints()
    return batch


def run(statement: str) -> None:
    """A statement as the application's role, checked as at its commit."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.check_constraints()


def refused(statement: str, words: str) -> None:
    with pytest.raises(DatabaseError, match=words):
        run(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_journalline SET debit = 11 WHERE number = 1",
        "DELETE FROM ledger_journalline WHERE number = 1",
        "INSERT INTO ledger_journalline (journal_id, number, account_id, label, debit, credit)"
        " SELECT journal_id, 3, account_id, label, 1, 0 FROM ledger_journalline WHERE number = 1",
    ],
)
def test_no_draft_is_unbalanced(draft, statement):
    refused(statement, "does not balance")


LINES = [
    "UPDATE ledger_journalline SET debit = 11 WHERE number = 1",
    "UPDATE ledger_journalline SET label = 'Other'",
    "UPDATE ledger_journalline SET tax_code_id = NULL, number = number + 10",
    "DELETE FROM ledger_journalline",
    "INSERT INTO ledger_journalline (journal_id, number, account_id, label, debit, credit)"
    " SELECT journal_id, 3, account_id, label, 0, 0 FROM ledger_journalline WHERE number = 1",
    "INSERT INTO ledger_journalline (journal_id, number, account_id, label, debit, credit)"
    " SELECT journal_id, number, account_id, label, debit, credit FROM ledger_journalline"
    " ON CONFLICT (journal_id, number) DO UPDATE SET label = 'Other'",
]


@pytest.mark.parametrize("statement", LINES)
def test_lines_of_an_approved_or_exported_journal_stay(journal, batch, statement):
    refused(statement, "is exported: its lines cannot be changed")


@pytest.mark.parametrize("statement", LINES)
def test_lines_of_an_approved_journal_stay(journal, statement):
    refused(statement, "is approved: its lines cannot be changed")


def test_one_line_of_an_approved_journal_stops_the_whole_statement(entity, journal):
    booked(entity)
    for statement in LINES:
        refused(statement, "is approved: its lines cannot be changed")


def test_no_line_moves_into_or_out_of_an_exported_journal(entity, journal, batch):
    other = booked(entity)
    move = "UPDATE ledger_journalline SET journal_id = {}, number = number + 10 WHERE journal_id = {}"
    refused(move.format(other.pk, journal.pk), "its lines cannot be changed")
    refused(move.format(journal.pk, other.pk), "its lines cannot be changed")


@pytest.mark.parametrize(
    "change",
    ["period = '2026-11-01'", "dated = '2026-10-30'", "currency = 'EUR'", "key = 'stl:1:202610:9'", "corrects_id = id"],
)
def test_what_an_approved_journal_says_stays(journal, change):
    refused(f"UPDATE ledger_journal SET {change}", "goes back to draft before it changes")


@pytest.mark.parametrize(
    "change",
    [
        "period = '2026-11-01'",
        "dated = '2026-10-30'",
        "currency = 'EUR'",
        "lines_hash = '', approved_hash = ''",
        "approved_at = now()",
        "returned = 'Changed'",
        "state = 'draft', approved_hash = '', approved_by_id = NULL, approved_at = NULL",
        "state = 'incomplete', approved_hash = '', approved_by_id = NULL, approved_at = NULL",
        "state = 'approved', dated = '2026-10-30'",
    ],
)
def test_an_exported_journal_is_not_edited(batch, change):
    refused(f"UPDATE ledger_journal SET {change}", "is exported: it cannot be changed")


def test_an_exported_journal_is_not_deleted_nor_an_approved_one(batch, entity, marta):
    refused("DELETE FROM ledger_journal", "is exported: it cannot be deleted")
    approved(booked(entity), marta)
    refused("DELETE FROM ledger_journal WHERE state = 'approved'", "is approved: it cannot be deleted")


def test_a_journal_is_exported_exactly_while_a_live_batch_holds_it(batch, entity, marta):
    words = "a journal is exported exactly while a live batch holds it"
    refused("UPDATE ledger_journal SET state = 'approved'", "is in a batch: void that first")
    refused("UPDATE ledger_batchjournal SET live = false", words)
    refused(f"UPDATE ledger_exportbatch SET {VOIDED}", words)
    refused(f"UPDATE ledger_exportbatch SET {VOIDED}; UPDATE ledger_batchjournal SET live = false", words)
    run(
        f"UPDATE ledger_exportbatch SET {VOIDED}; UPDATE ledger_batchjournal SET live = false;"
        " UPDATE ledger_journal SET state = 'approved'"
    )
    refused("UPDATE ledger_journal SET state = 'exported'", words)


def test_a_journal_is_in_one_live_batch_at_most(batch, journal, entity, marta):
    second = ExportBatch.objects.create(
        entity=entity, number=2, format="generic", content=b"other", sha256="1" * 64, made_by=marta
    )
    join = f"INSERT INTO ledger_batchjournal (batch_id, journal_id, live) VALUES ({second.pk}, {journal.pk}, {{}})"
    refused(join.format("true"), "one_live_batch_per_journal")
    refused(join.format("false"), "exactly while a live batch holds it")


@pytest.mark.parametrize(
    "change",
    ["content = 'other'", "sha256 = ''", "number = 2", "format = 'xero'", "made_at = now()", f"content = '', {VOIDED}"],
)
def test_a_batch_and_its_bytes_stay(batch, change):
    refused(f"UPDATE ledger_exportbatch SET {change}", "is kept as it is")


def test_a_batch_is_voided_with_a_reason_and_once(batch):
    refused(
        "UPDATE ledger_exportbatch SET voided_at = now(), voided_by_id = made_by_id;"
        " UPDATE ledger_batchjournal SET live = false; UPDATE ledger_journal SET state = 'approved'",
        "voided_with_reason",
    )
    run(
        f"UPDATE ledger_exportbatch SET {VOIDED}; UPDATE ledger_batchjournal SET live = false;"
        " UPDATE ledger_journal SET state = 'approved'"
    )
    for statement in (
        "UPDATE ledger_exportbatch SET voided_at = NULL, voided_by_id = NULL, void_reason = ''",
        "UPDATE ledger_exportbatch SET void_reason = 'Another one'",
        "UPDATE ledger_batchjournal SET live = true",
    ):
        refused(statement, "is kept as it is")


def test_what_left_in_a_batch_stays_named_in_it(batch, entity):
    other = booked(entity)
    refused(f"UPDATE ledger_batchjournal SET journal_id = {other.pk}", "is kept as it is")


@pytest.mark.parametrize("table", ["exportbatch", "batchjournal", "periodlock"])
def test_batches_and_locks_are_not_deleted(batch, entity, marta, table):
    PeriodLock.objects.create(entity=entity, month=NOVEMBER, locked_by=marta)
    refused(f"DELETE FROM ledger_{table}", "permission denied")
    refused(f"TRUNCATE ledger_{table} CASCADE", "permission denied")


APPROVE = (
    "UPDATE ledger_journal SET state = 'approved', approved_hash = lines_hash, approved_at = now(), approved_by_id = {}"
)


def test_nothing_is_approved_or_exported_in_a_locked_month(draft, entity, marta):
    lock = PeriodLock.objects.create(entity=entity, month=OCTOBER, locked_by=marta)
    refused(APPROVE.format(marta.pk), "October 2026 is locked")
    PeriodLock.objects.create(entity=EntityFactory(), month=NOVEMBER, locked_by=marta)  # another company's
    Journal.objects.update(period=NOVEMBER)
    run(APPROVE.format(marta.pk))
    assert lock.unlocked_at is None


def test_nothing_leaves_a_locked_month_and_nothing_comes_back_into_one(batch, entity, marta):
    PeriodLock.objects.create(entity=entity, month=OCTOBER, locked_by=marta)
    refused(
        f"UPDATE ledger_exportbatch SET {VOIDED}; UPDATE ledger_batchjournal SET live = false;"
        " UPDATE ledger_journal SET state = 'approved'",
        "October 2026 is locked",
    )


def test_a_lock_is_opened_by_another_person_than_who_asked(entity, marta):
    ian = UserFactory(name="Ian Grove")
    PeriodLock.objects.create(entity=entity, month=OCTOBER, locked_by=marta)
    unlock = "UPDATE ledger_periodlock SET unlocked_at = now(), unlocked_by_id = {}"
    refused(unlock.format(ian.pk), "unlocked_by_another")
    refused(
        f"UPDATE ledger_periodlock SET unlock_asked_at = now(), unlock_asked_by_id = {marta.pk}", "asked_with_reason"
    )
    run(
        "UPDATE ledger_periodlock SET unlock_asked_at = now(), unlock_reason = 'Late file',"
        f" unlock_asked_by_id = {marta.pk}"
    )
    refused(unlock.format(marta.pk), "unlocked_by_another")
    refused("UPDATE ledger_periodlock SET month = '2026-09-01'", "is kept as it is")
    run(unlock.format(ian.pk))
    refused("UPDATE ledger_periodlock SET unlocked_at = NULL, unlocked_by_id = NULL", "is kept as it is")


def test_a_month_has_one_lock_at_a_time(entity, marta):
    PeriodLock.objects.create(entity=entity, month=OCTOBER, locked_by=marta)
    again = "INSERT INTO ledger_periodlock (entity_id, month, locked_by_id, unlock_reason) VALUES ({}, '{}', {}, '')"
    refused(again.format(entity.pk, OCTOBER, marta.pk), "one_lock_per_month")
    refused(again.format(entity.pk, "2026-10-02", marta.pk), "locks_whole_months")
