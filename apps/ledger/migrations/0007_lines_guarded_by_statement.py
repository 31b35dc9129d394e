"""The lines of a statement are guarded together, not one after the other, and the balance is looked up once for each."""

from django.db import migrations

# A trigger's two sides of an update have one name in two triggers, so that one function guards every statement.
GUARD = """
    DROP TRIGGER line_guard ON ledger_journalline;
    CREATE OR REPLACE FUNCTION ledger_line_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    DECLARE
        journal record;
    BEGIN
        FOR journal IN SELECT key, state FROM ledger_journal
            WHERE id IN (SELECT journal_id FROM changed) FOR SHARE OF ledger_journal LOOP
            IF journal.state IN ('approved', 'exported') THEN
                RAISE EXCEPTION 'Journal % is %: its lines cannot be changed', journal.key, journal.state
                    USING ERRCODE = 'check_violation';
            END IF;
        END LOOP;
        RETURN NULL;
    END $$;
    CREATE TRIGGER line_guard_in AFTER INSERT ON ledger_journalline
        REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ledger_line_guard();
    CREATE TRIGGER line_guard_from AFTER UPDATE ON ledger_journalline
        REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ledger_line_guard();
    CREATE TRIGGER line_guard_to AFTER UPDATE ON ledger_journalline
        REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ledger_line_guard();
    CREATE TRIGGER line_guard_out AFTER DELETE ON ledger_journalline
        REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ledger_line_guard();
"""
UNDO_GUARD = """
    DROP TRIGGER line_guard_in ON ledger_journalline; DROP TRIGGER line_guard_from ON ledger_journalline;
    DROP TRIGGER line_guard_to ON ledger_journalline; DROP TRIGGER line_guard_out ON ledger_journalline;
    CREATE OR REPLACE FUNCTION ledger_line_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    DECLARE
        journal record;
    BEGIN
        FOR journal IN SELECT key, state FROM ledger_journal
            WHERE id = ANY(ARRAY[to_jsonb(OLD) ->> 'journal_id', to_jsonb(NEW) ->> 'journal_id']::bigint[]) FOR SHARE LOOP
            IF journal.state IN ('approved', 'exported') THEN
                RAISE EXCEPTION 'Journal % is %: its lines cannot be changed', journal.key, journal.state
                    USING ERRCODE = 'check_violation';
            END IF;
        END LOOP;
        RETURN coalesce(NEW, OLD);
    END $$;
    CREATE TRIGGER line_guard BEFORE INSERT OR UPDATE OR DELETE ON ledger_journalline
        FOR EACH ROW EXECUTE FUNCTION ledger_line_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0006_line_guard_waits")]
    operations = [migrations.RunSQL(GUARD, UNDO_GUARD)]
