"""What is approved stays as approved, what left stays as it left, and nothing enters a locked month."""

from django.conf import settings
from django.db import migrations

# What a journal says, beside its lines: from its approval on, none of it changes.
SAID = "ROW({row}.entity_id, {row}.key, {row}.currency, {row}.period, {row}.dated, {row}.corrects_id, {row}.lines_hash)"

JOURNAL = f"""
    CREATE FUNCTION ledger_journal_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF OLD.state IN ('approved', 'exported') THEN
                RAISE EXCEPTION 'Journal % is %: it cannot be deleted', OLD.key, OLD.state USING ERRCODE = 'check_violation';
            END IF;
            RETURN OLD;
        END IF;
        IF TG_OP = 'UPDATE' AND OLD.state = 'exported'
           AND (NEW.state NOT IN ('approved', 'exported') OR to_jsonb(OLD) - 'state' <> to_jsonb(NEW) - 'state') THEN
            RAISE EXCEPTION 'Journal % is exported: it cannot be changed', OLD.key USING ERRCODE = 'check_violation';
        END IF;
        IF TG_OP = 'UPDATE' AND OLD.state = 'approved' AND NEW.state IN ('approved', 'exported')
           AND {SAID.format(row="OLD")} IS DISTINCT FROM {SAID.format(row="NEW")} THEN
            RAISE EXCEPTION 'Journal % is approved: it goes back to draft before it changes', OLD.key
                USING ERRCODE = 'check_violation';
        END IF;
        IF NEW.state IN ('approved', 'exported') AND (TG_OP = 'INSERT' OR OLD.state <> NEW.state) AND EXISTS (
            SELECT FROM ledger_periodlock
            WHERE entity_id = NEW.entity_id AND month = NEW.period AND unlocked_at IS NULL) THEN
            RAISE EXCEPTION 'Journal %: % is locked', NEW.key, to_char(NEW.period, 'FMMonth YYYY')
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER journal_guard BEFORE INSERT OR UPDATE OR DELETE ON ledger_journal
        FOR EACH ROW EXECUTE FUNCTION ledger_journal_guard();

    CREATE FUNCTION ledger_line_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    DECLARE
        closed record;
    BEGIN
        SELECT key, state INTO closed FROM ledger_journal
        WHERE id = ANY(ARRAY[to_jsonb(OLD) ->> 'journal_id', to_jsonb(NEW) ->> 'journal_id']::bigint[])
              AND state IN ('approved', 'exported') LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'Journal % is %: its lines cannot be changed', closed.key, closed.state
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN coalesce(NEW, OLD);
    END $$;
    CREATE TRIGGER line_guard BEFORE INSERT OR UPDATE OR DELETE ON ledger_journalline
        FOR EACH ROW EXECUTE FUNCTION ledger_line_guard();
"""

# Checked at commit: a journal is exported exactly while a live batch holds it, and a batch's rows live until it is voided.
BATCH = """
    CREATE FUNCTION ledger_batch_holds() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    DECLARE
        named text;
    BEGIN
        IF TG_TABLE_NAME = 'ledger_exportbatch' THEN
            SELECT 'Batch ' || NEW.number INTO named FROM ledger_batchjournal link, ledger_exportbatch batch
            WHERE link.batch_id = NEW.id AND batch.id = NEW.id AND link.live <> (batch.voided_at IS NULL) LIMIT 1;
        ELSIF TG_TABLE_NAME = 'ledger_batchjournal' THEN
            SELECT 'Batch ' || batch.number INTO named FROM ledger_exportbatch batch JOIN ledger_batchjournal link
                ON link.batch_id = batch.id
            WHERE link.id = NEW.id AND link.live <> (batch.voided_at IS NULL);
            IF NOT FOUND THEN
                SELECT 'Journal ' || journal.key INTO named FROM ledger_journal journal
                WHERE journal.id = NEW.journal_id AND (journal.state = 'exported') <> EXISTS (
                    SELECT FROM ledger_batchjournal WHERE journal_id = journal.id AND live);
            END IF;
        ELSE
            SELECT 'Journal ' || journal.key INTO named FROM ledger_journal journal
            WHERE journal.id = NEW.id AND (journal.state = 'exported') <> EXISTS (
                SELECT FROM ledger_batchjournal WHERE journal_id = journal.id AND live);
        END IF;
        IF FOUND THEN
            RAISE EXCEPTION '%: a journal is exported exactly while a live batch holds it', named
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER batch_holds AFTER INSERT OR UPDATE ON ledger_exportbatch
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_batch_holds();
    CREATE CONSTRAINT TRIGGER batch_journal_holds AFTER INSERT OR UPDATE ON ledger_batchjournal
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_batch_holds();
    CREATE CONSTRAINT TRIGGER exported_holds AFTER INSERT OR UPDATE OF state ON ledger_journal
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_batch_holds();

    CREATE FUNCTION ledger_kept() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    DECLARE
        may_change text[] := TG_ARGV[0]::text[];
        until text := TG_ARGV[1];
    BEGIN
        IF TG_OP = 'DELETE' OR to_jsonb(OLD) - may_change <> to_jsonb(NEW) - may_change
           OR (to_jsonb(OLD) ->> until) IS NOT NULL AND (to_jsonb(OLD) ->> until) <> 'true' AND to_jsonb(OLD) <> to_jsonb(NEW) THEN
            RAISE EXCEPTION 'A row of % is kept as it is', TG_TABLE_NAME USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER batch_kept BEFORE UPDATE OR DELETE ON ledger_exportbatch FOR EACH ROW
        EXECUTE FUNCTION ledger_kept('{voided_by_id,voided_at,void_reason}', 'voided_at');
    CREATE TRIGGER batch_journal_kept BEFORE UPDATE OR DELETE ON ledger_batchjournal FOR EACH ROW
        EXECUTE FUNCTION ledger_kept('{live}', 'live');
    CREATE TRIGGER lock_kept BEFORE UPDATE OR DELETE ON ledger_periodlock FOR EACH ROW EXECUTE FUNCTION
        ledger_kept('{unlock_reason,unlock_asked_by_id,unlock_asked_at,unlocked_by_id,unlocked_at}', 'unlocked_at');
"""
UNDO = """
    DROP TRIGGER journal_guard ON ledger_journal; DROP TRIGGER line_guard ON ledger_journalline;
    DROP TRIGGER batch_holds ON ledger_exportbatch; DROP TRIGGER batch_journal_holds ON ledger_batchjournal;
    DROP TRIGGER exported_holds ON ledger_journal; DROP TRIGGER batch_kept ON ledger_exportbatch;
    DROP TRIGGER batch_journal_kept ON ledger_batchjournal; DROP TRIGGER lock_kept ON ledger_periodlock;
    DROP FUNCTION ledger_journal_guard(), ledger_line_guard(), ledger_batch_holds(), ledger_kept();
"""


def revoke(apps, schema_editor):
    role = schema_editor.quote_name(settings.DATABASES["default"]["USER"])
    schema_editor.execute(f"REVOKE DELETE ON ledger_exportbatch, ledger_batchjournal, ledger_periodlock FROM {role}")


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_approve_export_lock")]
    operations = [
        migrations.RunSQL(JOURNAL + BATCH, UNDO),
        migrations.RunPython(revoke, migrations.RunPython.noop),
    ]
