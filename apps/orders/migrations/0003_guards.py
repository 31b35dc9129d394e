"""No command for a warehouse is about an order that Amazon ships, or that nobody says who ships."""

from django.db import migrations

GUARD = r"""
    CREATE FUNCTION orders_warehouse_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    BEGIN
        IF NOT EXISTS (
            SELECT FROM orders_order
            WHERE id = substring(NEW.subject FROM 7)::bigint AND entity_id = NEW.entity_id AND channel = 'MFN' AND on_amazon
        ) THEN
            RAISE EXCEPTION 'Command % is for a warehouse, and % is no order that the merchant ships', NEW.key, NEW.subject
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER warehouse_guard BEFORE INSERT OR UPDATE OF target, subject, entity_id ON integrations_command
        FOR EACH ROW WHEN (NEW.target = 'warehouse' AND NEW.subject ~ '^order:[0-9]{1,18}$')
        EXECUTE FUNCTION orders_warehouse_guard();
"""
UNDO = "DROP TRIGGER warehouse_guard ON integrations_command; DROP FUNCTION orders_warehouse_guard();"


class Migration(migrations.Migration):
    dependencies = [("orders", "0002_routes"), ("integrations", "0002_sources_runs_commands")]
    operations = [migrations.RunSQL(GUARD, UNDO)]
