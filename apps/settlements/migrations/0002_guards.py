"""What the application may not do to settlements, and the zone that a settlement freezes."""

from django.conf import settings
from django.db import migrations

ZONE = """
    CREATE FUNCTION settlements_zone_frozen() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    BEGIN
        IF EXISTS (SELECT FROM settlements_settlement WHERE entity_id = NEW.id) THEN
            RAISE EXCEPTION 'The zone of % is frozen: its settlements are booked by months in %', OLD.name, OLD.zone
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER zone_frozen BEFORE UPDATE OF zone ON core_entity
        FOR EACH ROW WHEN (OLD.zone IS DISTINCT FROM NEW.zone) EXECUTE FUNCTION settlements_zone_frozen();
"""


def revoke(apps, schema_editor):
    """Lines carry no foreign keys (models.SettlementLine), so what they point at must stay."""
    role = schema_editor.quote_name(settings.DATABASES["default"]["USER"])
    schema_editor.execute(f"REVOKE DELETE ON settlements_feesignature, settlements_settlementversion FROM {role}")
    schema_editor.execute(f"REVOKE UPDATE ON settlements_settlementline FROM {role}")


class Migration(migrations.Migration):
    dependencies = [("settlements", "0001_initial"), ("core", "0002_guards")]
    operations = [
        migrations.RunPython(revoke, migrations.RunPython.noop),
        migrations.RunSQL(ZONE, "DROP TRIGGER zone_frozen ON core_entity; DROP FUNCTION settlements_zone_frozen();"),
    ]
