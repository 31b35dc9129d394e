"""No statement of the application's role changes what an exported journal is made of."""

import pytest
from django.db import DatabaseError, connection

from apps.ledger.models import Journal
from apps.settlements.approval import approve
from apps.settlements.exports import export
from apps.settlements.models import JournalPart, SettlementJournal
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
