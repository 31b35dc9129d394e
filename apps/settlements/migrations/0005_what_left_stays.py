"""What an exported journal is made of stays as it left, like its lines."""

from django.db import migrations

LEFT = """
    CREATE FUNCTION settlements_left_stays() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    DECLARE
        left_key text;
    BEGIN
        IF TG_TABLE_NAME = 'settlements_journalpart' THEN
            SELECT journal.key INTO left_key FROM ledger_journalline line JOIN ledger_journal journal
                ON journal.id = line.journal_id AND journal.state = 'exported'
            WHERE line.id = ANY(ARRAY[to_jsonb(OLD) ->> 'journal_line_id', to_jsonb(NEW) ->> 'journal_line_id']::bigint[])
            LIMIT 1;
        ELSE
            SELECT key INTO left_key FROM ledger_journal
            WHERE id = ANY(ARRAY[to_jsonb(OLD) ->> 'journal_id', to_jsonb(NEW) ->> 'journal_id']::bigint[])
                  AND state = 'exported' LIMIT 1;
        END IF;
        IF FOUND THEN
            RAISE EXCEPTION 'Journal % is exported: what it is made of cannot be changed', left_key
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN coalesce(NEW, OLD);
    END $$;
    CREATE TRIGGER part_stays BEFORE INSERT OR UPDATE OR DELETE ON settlements_journalpart
        FOR EACH ROW EXECUTE FUNCTION settlements_left_stays();
    CREATE TRIGGER journal_stays BEFORE INSERT OR UPDATE OR DELETE ON settlements_settlementjournal
        FOR EACH ROW EXECUTE FUNCTION settlements_left_stays();
"""
UNDO = """
    DROP TRIGGER part_stays ON settlements_journalpart; DROP TRIGGER journal_stays ON settlements_settlementjournal;
    DROP FUNCTION settlements_left_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("settlements", "0004_chains_end"), ("ledger", "0004_guards")]
    operations = [migrations.RunSQL(LEFT, UNDO)]
