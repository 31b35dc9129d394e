"""A line that is written while its journal is being approved waits for that, and is then refused."""

from django.db import migrations

GUARD = """
    CREATE OR REPLACE FUNCTION ledger_line_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    DECLARE
        journal record;
    BEGIN
        FOR journal IN SELECT key, state FROM ledger_journal
            WHERE id = ANY(ARRAY[to_jsonb(OLD) ->> 'journal_id', to_jsonb(NEW) ->> 'journal_id']::bigint[]) {lock} LOOP
            IF journal.state IN ('approved', 'exported') THEN
                RAISE EXCEPTION 'Journal % is %: its lines cannot be changed', journal.key, journal.state
                    USING ERRCODE = 'check_violation';
            END IF;
        END LOOP;
        RETURN coalesce(NEW, OLD);
    END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_hash_what_stands")]
    operations = [migrations.RunSQL(GUARD.format(lock="FOR SHARE"), GUARD.format(lock=""))]
