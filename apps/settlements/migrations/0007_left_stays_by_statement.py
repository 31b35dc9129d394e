"""What a statement would change of exported journals is looked for once, not once for each of its rows."""

from importlib import import_module

from django.db import migrations

before = import_module("apps.settlements.migrations.0005_what_left_stays")

STAYS = """
    CREATE FUNCTION settlements_{row}_stays() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    DECLARE
        left_key text;
    BEGIN
        SELECT journal.key INTO left_key FROM ledger_journal journal
        WHERE journal.state = 'exported' AND journal.id IN ({journals}) LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'Journal % is exported: what it is made of cannot be changed', left_key
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER {row}_stays_in AFTER INSERT ON {table}
        REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION settlements_{row}_stays();
    CREATE TRIGGER {row}_stays_from AFTER UPDATE ON {table}
        REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION settlements_{row}_stays();
    CREATE TRIGGER {row}_stays_to AFTER UPDATE ON {table}
        REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION settlements_{row}_stays();
    CREATE TRIGGER {row}_stays_out AFTER DELETE ON {table}
        REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION settlements_{row}_stays();
"""
PARTS = STAYS.format(
    row="part",
    table="settlements_journalpart",
    journals="SELECT line.journal_id FROM changed JOIN ledger_journalline line ON line.id = changed.journal_line_id",
)
JOURNALS = STAYS.format(
    row="journal", table="settlements_settlementjournal", journals="SELECT journal_id FROM changed"
)
UNDO = "".join(
    f"DROP TRIGGER {row}_stays_{side} ON {table};"
    for row, table in (("part", "settlements_journalpart"), ("journal", "settlements_settlementjournal"))
    for side in ("in", "from", "to", "out")
)


class Migration(migrations.Migration):
    dependencies = [("settlements", "0006_leg_files")]
    operations = [
        migrations.RunSQL(
            before.UNDO + PARTS + JOURNALS,
            UNDO + "DROP FUNCTION settlements_part_stays(), settlements_journal_stays();" + before.LEFT,
        )
    ]
