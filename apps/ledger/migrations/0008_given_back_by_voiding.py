"""An exported journal becomes approved only when its batch was voided first: not for the time of one transaction."""

from importlib import import_module

from django.db import migrations

BEFORE = import_module("apps.ledger.migrations.0004_guards").JOURNAL.partition("CREATE TRIGGER")[0]
FUNCTION = BEFORE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
GIVEN_BACK = """
        IF TG_OP = 'UPDATE' AND OLD.state = 'exported' AND NEW.state <> 'exported' AND EXISTS (
            SELECT FROM ledger_batchjournal WHERE journal_id = NEW.id AND live) THEN
            RAISE EXCEPTION 'Journal % is in a batch: void that first', OLD.key USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0007_lines_guarded_by_statement")]
    operations = [
        migrations.RunSQL(FUNCTION.rpartition("        RETURN NEW;")[0] + GIVEN_BACK.removeprefix("\n"), FUNCTION)
    ]
