"""No quantity leaves for a listing unless the merchant ships it, whatever code writes the command (domain.md 2.3)."""

from django.db import migrations

# The listing stays as it is until the command is committed: FOR SHARE makes a change of its channel wait.
GUARD = """
    CREATE FUNCTION inventory_push_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    DECLARE
        ships text;
    BEGIN
        SELECT channel INTO ships FROM catalog_listing
        WHERE 'listing:' || id = NEW.subject FOR SHARE;
        IF ships IS DISTINCT FROM 'MFN' THEN
            RAISE EXCEPTION 'Quantity of %: not known to be shipped by the merchant (%)', NEW.subject,
                coalesce(nullif(ships, ''), 'nobody said')
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER push_guard BEFORE INSERT OR UPDATE OF kind, subject ON integrations_command
        FOR EACH ROW WHEN (NEW.kind = 'push-quantity') EXECUTE FUNCTION inventory_push_guard();
"""
UNGUARD = "DROP TRIGGER push_guard ON integrations_command; DROP FUNCTION inventory_push_guard();"


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0001_initial"),
        ("catalog", "0001_initial"),
        ("integrations", "0002_sources_runs_commands"),
    ]
    operations = [migrations.RunSQL(GUARD, UNGUARD)]
