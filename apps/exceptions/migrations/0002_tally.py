"""Keep exceptions_tally in step with exceptions_case, statement by statement."""

from django.conf import settings
from django.db import migrations

# One function per event: a transition table exists only for the events it belongs to. Keys are locked in one order, so two
# sweeps that touch the same groups cannot deadlock.
FOLLOW = """
    CREATE FUNCTION exceptions_tally_{event}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = public, pg_temp AS $$
    BEGIN
        INSERT INTO exceptions_tally AS t (entity_id, team, type, state, diagnosis, currency, cases, stake)
        SELECT entity_id, team, type, state, diagnosis, currency, sum(n), sum(n * stake)
        FROM ({rows}) moved
        WHERE state IN ('open', 'claimed', 'snoozed')
        GROUP BY entity_id, team, type, state, diagnosis, currency
        HAVING sum(n) <> 0 OR sum(n * stake) <> 0
        ORDER BY entity_id, team, type, state, diagnosis, currency
        ON CONFLICT (entity_id, team, type, state, diagnosis, currency)
        DO UPDATE SET cases = t.cases + excluded.cases, stake = t.stake + excluded.stake;
        RETURN NULL;
    END $$;
    CREATE TRIGGER tally_{event} AFTER {event} ON exceptions_case REFERENCING {tables}
        FOR EACH STATEMENT EXECUTE FUNCTION exceptions_tally_{event}();
"""
COLUMNS = "entity_id, team, type, state, diagnosis, currency, stake"
GONE = f"SELECT {COLUMNS}, -1 AS n FROM gone"
CAME = f"SELECT {COLUMNS}, 1 AS n FROM came"
EVENTS = {
    "insert": (CAME, "NEW TABLE AS came"),
    "delete": (GONE, "OLD TABLE AS gone"),
    "update": (f"{GONE} UNION ALL {CAME}", "OLD TABLE AS gone NEW TABLE AS came"),
}


def create(apps, schema_editor):
    for event, (rows, tables) in EVENTS.items():
        schema_editor.execute(FOLLOW.format(event=event, rows=rows, tables=tables))
    role = schema_editor.quote_name(settings.DATABASES["default"]["USER"])
    schema_editor.execute(f"REVOKE INSERT, UPDATE, DELETE ON exceptions_tally FROM {role}")


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0001_initial"), ("core", "0002_guards")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
