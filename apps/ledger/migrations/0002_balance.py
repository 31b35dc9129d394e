"""Debits equal credits, and a journal with a line that has no account is incomplete: checked at commit."""

from django.db import migrations

# The search path is fixed, so that no temporary table of the same name is looked at instead.
BALANCE = """
    CREATE FUNCTION ledger_journal_holds() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    DECLARE
        checked text[] := CASE WHEN TG_TABLE_NAME = 'ledger_journal' THEN ARRAY[to_jsonb(NEW) ->> 'id']
                               ELSE ARRAY[to_jsonb(OLD) ->> 'journal_id', to_jsonb(NEW) ->> 'journal_id'] END;
        journal record;
        difference numeric;
        unmapped boolean;
    BEGIN
        FOR journal IN SELECT id, key, state FROM ledger_journal WHERE id = ANY(checked::bigint[]) LOOP
            SELECT coalesce(sum(debit - credit), 0), coalesce(bool_or(account_id IS NULL), false)
                INTO difference, unmapped FROM ledger_journalline WHERE journal_id = journal.id;
            IF difference <> 0 THEN
                RAISE EXCEPTION 'Journal % does not balance: debits less credits are %', journal.key, difference
                    USING ERRCODE = 'check_violation';
            END IF;
            IF unmapped <> (journal.state = 'incomplete') THEN
                RAISE EXCEPTION 'Journal % is % but % a line without an account', journal.key, journal.state,
                    CASE WHEN unmapped THEN 'has' ELSE 'does not have' END USING ERRCODE = 'check_violation';
            END IF;
        END LOOP;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER journal_line_holds AFTER INSERT OR UPDATE OR DELETE ON ledger_journalline
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_journal_holds();
    CREATE CONSTRAINT TRIGGER journal_holds AFTER INSERT OR UPDATE ON ledger_journal
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_journal_holds();
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]
    operations = [
        migrations.RunSQL(
            BALANCE,
            "DROP TRIGGER journal_line_holds ON ledger_journalline; DROP TRIGGER journal_holds ON ledger_journal;"
            "DROP FUNCTION ledger_journal_holds();",
        )
    ]
