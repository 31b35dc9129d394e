"""What was signed is not rewritten: the application's role may only add, and the trigger holds for every role."""

from django.conf import settings
from django.db import migrations

APPEND_ONLY = """
    CREATE FUNCTION work_check_refuses() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    BEGIN
        RAISE EXCEPTION 'A signed check stays as it was signed: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
    END $$;
    CREATE TRIGGER signed_stays BEFORE UPDATE OR DELETE ON work_signedcheck
        FOR EACH ROW EXECUTE FUNCTION work_check_refuses();
"""


def revoke(apps, schema_editor):
    role = schema_editor.quote_name(settings.DATABASES["default"]["USER"])
    schema_editor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON work_signedcheck FROM {role}")


class Migration(migrations.Migration):
    dependencies = [("work", "0001_initial"), ("core", "0002_guards")]
    operations = [
        migrations.RunPython(revoke, migrations.RunPython.noop),
        migrations.RunSQL(
            APPEND_ONLY, "DROP TRIGGER signed_stays ON work_signedcheck; DROP FUNCTION work_check_refuses();"
        ),
    ]
