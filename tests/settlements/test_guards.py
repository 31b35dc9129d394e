"""No statement of the application's role changes what an exported journal is made of."""

from contextlib import suppress
from threading import Event

import pytest
from django.db import DatabaseError, connection, transaction

from apps.core.errors import Refused
from apps.ledger.models import Journal
from apps.settlements.approval import approve
from apps.settlements.exports import export
from apps.settlements.models import JournalPart, SettlementJournal
from tests.exceptions.test_concurrency import together
from tests.polling import eventually
from tests.settlements.books import LATER, settle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def journals(place, ian) -> list[Journal]:
    """October, which left, and November, approved."""
    found = approve(journals=settle(place, "30000000001", LATER), actor=ian)
    export(journals=found[:1], format="generic", actor=ian)
    return found


def run(statement: str, **values) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.rowcount


OF = "journal_line_id IN (SELECT id FROM ledger_journalline WHERE journal_id = %(journal)s)"
SOME_LINE = "(SELECT min(id) FROM ledger_journalline WHERE journal_id = %(journal)s)"
CHANGES = [
    f"UPDATE settlements_journalpart SET amount = amount + 1 WHERE {OF}",
    f"UPDATE settlements_journalpart SET lines = 0, leg = 'GB>DE' WHERE {OF}",
    f"DELETE FROM settlements_journalpart WHERE {OF}",
    "INSERT INTO settlements_journalpart (journal_line_id, signature_id, leg, default_leg, lines, amount)"
    f" SELECT {SOME_LINE}, signature_id, leg, default_leg, 1, 1 FROM settlements_journalpart LIMIT 1",
    "UPDATE settlements_settlementjournal SET month = '2026-09-01' WHERE journal_id = %(journal)s",
    "UPDATE settlements_settlementjournal SET number = 7 WHERE journal_id = %(journal)s",
]


@pytest.mark.parametrize("statement", CHANGES)
def test_what_left_stays_made_of_what_it_was(journals, statement):
    october, november = journals
    with pytest.raises(DatabaseError, match="is exported: what it is made of cannot be changed"):
        run(statement, journal=october.pk)
    assert run(statement, journal=november.pk), "only the lines of an approval are held"


@pytest.mark.parametrize("side", [0, 1])
def test_no_part_moves_into_or_out_of_what_left(journals, side):
    source, target = (
        journal.lines.filter(parts__isnull=False).first() for journal in (journals[side], journals[1 - side])
    )
    with pytest.raises(DatabaseError, match="is exported: what it is made of cannot be changed"):
        JournalPart.objects.filter(journal_line=source).update(journal_line=target)
    with pytest.raises(DatabaseError, match="is exported: what it is made of cannot be changed"):
        SettlementJournal.objects.filter(journal=journals[0]).delete()


def test_what_left_is_not_given_back_for_the_time_of_a_change(journals):
    october, _ = journals
    with pytest.raises(DatabaseError, match="is in a batch: void that first"), transaction.atomic():
        run("UPDATE ledger_journal SET state = 'approved' WHERE id = %(journal)s", journal=october.pk)
        run(f"UPDATE settlements_journalpart SET amount = amount + 1 WHERE {OF}", journal=october.pk)
        run("UPDATE ledger_journal SET state = 'exported' WHERE id = %(journal)s", journal=october.pk)


def test_a_line_written_beside_an_approval_does_not_get_into_what_leaves(entity, place, ian):
    """The statement comes first and commits last: whoever approves or exports waits, and then finds other lines."""
    (journal,) = settle(place, "30000000001")
    written = Event()

    def add_lines() -> None:
        with transaction.atomic():
            values = {"journal": journal.pk, "account": journal.lines.first().account_id}
            run(ADD_LINES, **values)
            written.set()
            eventually(lambda: waits("transactionid"), "the approval to wait")

    def leave() -> None:
        written.wait()
        with suppress(Refused):
            export(journals=approve(journals=[journal], actor=ian), format="generic", actor=ian)

    together(add_lines, leave)
    journal.refresh_from_db()
    assert (journal.state, journal.lines.filter(label="Beside").count()) == ("approved", 2)
    with pytest.raises(Refused, match="Its lines are not those that were approved"):
        export(journals=[journal], format="generic", actor=ian)


ADD_LINES = """
    INSERT INTO ledger_journalline (journal_id, number, account_id, label, debit, credit)
    VALUES (%(journal)s, 91, %(account)s, 'Beside', 5, 0), (%(journal)s, 92, %(account)s, 'Beside', 0, 5)
"""


def waits(kind: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = %s AND NOT granted)", [kind])
        return cursor.fetchone()[0]
