"""When a case changed last in what alerts go by: kept by the database, so that no way of writing forgets it."""

from django.db import migrations, models
from django.db.models.functions import Now

ALERTS_GO_BY = ("state", "team", "worth", "holds_back", "due_at", "assigned_to_id")
TRIGGER = f"""
    CREATE FUNCTION exceptions_case_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.changed_at := statement_timestamp();
        RETURN NEW;
    END $$;
    CREATE TRIGGER case_changed BEFORE UPDATE ON exceptions_case FOR EACH ROW
        WHEN (({", ".join(f"OLD.{name}" for name in ALERTS_GO_BY)})
            IS DISTINCT FROM ({", ".join(f"NEW.{name}" for name in ALERTS_GO_BY)}))
        EXECUTE FUNCTION exceptions_case_changed();
"""


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0007_what_views_ask_for")]
    operations = [
        migrations.AddField("case", "changed_at", models.DateTimeField(db_default=Now())),
        migrations.AddIndex(
            "case",
            models.Index(
                condition=models.Q(("state__in", ("open", "claimed", "snoozed"))),
                fields=["entity", "team", "changed_at"],
                name="case_by_change",
            ),
        ),
        migrations.RunSQL(TRIGGER, migrations.RunSQL.noop),
    ]
