"""Whose a case is, counted too; and its words, to be searched."""

import string

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Func, Q

LIVE = Q(state__in=("open", "claimed", "snoozed"))
# Marks part words, whatever the text search's own parser would take them for: an address, a path, a negative number.
MARKS = string.punctuation + "–—‘’“”·…£€"
TEXT = '@.type() == "string" || @.type() == "number"'
# A vector holds 1 MB: of facts without end the beginning counts, what stands at their top first.
WORDS = f"""
    CREATE FUNCTION exceptions_case_words(subject text, facts jsonb, notes text) RETURNS tsvector
        LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $words$
        SELECT to_tsvector('pg_catalog.simple', translate(
            concat_ws(' ', subject, right(notes, 20000), left(string_agg(said #>> '{{}}', ' ' ORDER BY deep), 40000)),
            '{MARKS.replace("'", "''")}', repeat(' ', {len(MARKS)})
        ))
        FROM (
            SELECT said, 1 AS deep FROM jsonb_path_query(facts, 'strict $.* ? ({TEXT})') said
            UNION ALL
            SELECT said, 2 FROM jsonb_path_query(facts, 'strict $.*.**{{1 to last}} ? ({TEXT})') said
        ) values
    $words$
"""
STOP = """
    DROP TRIGGER tally_insert ON exceptions_case;
    DROP TRIGGER tally_update ON exceptions_case;
    DROP TRIGGER tally_delete ON exceptions_case;
    DROP FUNCTION exceptions_tally_insert, exceptions_tally_update, exceptions_tally_delete;
    DELETE FROM exceptions_tally;
"""
# As in 0002_tally, with one more thing that cases are counted by.
FOLLOW = """
    CREATE FUNCTION exceptions_tally_{event}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = public, pg_temp AS $$
    BEGIN
        INSERT INTO exceptions_tally AS t (entity_id, team, type, state, diagnosis, currency, assigned, cases, stake)
        SELECT entity_id, team, type, state, diagnosis, currency, assigned, sum(n), sum(n * stake)
        FROM ({rows}) moved
        WHERE state IN ('open', 'claimed', 'snoozed')
        GROUP BY entity_id, team, type, state, diagnosis, currency, assigned
        HAVING sum(n) <> 0 OR sum(n * stake) <> 0
        ORDER BY entity_id, team, type, state, diagnosis, currency, assigned
        ON CONFLICT (entity_id, team, type, state, diagnosis, currency, assigned)
        DO UPDATE SET cases = t.cases + excluded.cases, stake = t.stake + excluded.stake;
        RETURN NULL;
    END $$;
    CREATE TRIGGER tally_{event} AFTER {event} ON exceptions_case REFERENCING {tables}
        FOR EACH STATEMENT EXECUTE FUNCTION exceptions_tally_{event}();
"""
COUNT = """
    INSERT INTO exceptions_tally (entity_id, team, type, state, diagnosis, currency, assigned, cases, stake)
    SELECT entity_id, team, type, state, diagnosis, currency, assigned_to_id IS NOT NULL, count(*), sum(stake)
    FROM exceptions_case WHERE state IN ('open', 'claimed', 'snoozed') GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
COLUMNS = "entity_id, team, type, state, diagnosis, currency, assigned_to_id IS NOT NULL AS assigned, stake"
GONE = f"SELECT {COLUMNS}, -1 AS n FROM gone"
CAME = f"SELECT {COLUMNS}, 1 AS n FROM came"
EVENTS = {
    "insert": (CAME, "NEW TABLE AS came"),
    "delete": (GONE, "OLD TABLE AS gone"),
    "update": (f"{GONE} UNION ALL {CAME}", "OLD TABLE AS gone NEW TABLE AS came"),
}


def count_again(apps, schema_editor):
    for event, (rows, tables) in EVENTS.items():
        schema_editor.execute(FOLLOW.format(event=event, rows=rows, tables=tables))
    schema_editor.execute(COUNT)


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0002_tally"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.RunSQL(WORDS, migrations.RunSQL.noop),
        migrations.AddField(
            "case",
            "assigned_to",
            models.ForeignKey(
                null=True,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField("case", "notes", models.TextField(default="", db_default="")),
        migrations.AddField(
            "case",
            "words",
            models.GeneratedField(
                db_persist=True,
                expression=Func(F("subject"), F("facts"), F("notes"), function="exceptions_case_words"),
                output_field=django.contrib.postgres.search.SearchVectorField(),
            ),
        ),
        migrations.AddConstraint(
            "case", models.CheckConstraint(condition=LIVE | Q(assigned_to=None), name="case_ended_is_nobodys")
        ),
        migrations.AddIndex(
            "case", models.Index(fields=["assigned_to"], name="case_assigned", condition=Q(assigned_to__isnull=False))
        ),
        migrations.AddIndex(
            "case",
            django.contrib.postgres.indexes.GinIndex(
                fields=["words"], name="case_words", condition=LIVE, gin_pending_list_limit=1024
            ),
        ),
        migrations.RunSQL(STOP, migrations.RunSQL.noop),
        migrations.AddField("tally", "assigned", models.BooleanField(default=False), preserve_default=False),
        migrations.RemoveConstraint("tally", "one_tally_per_group"),
        migrations.AddConstraint(
            "tally",
            models.UniqueConstraint(
                fields=["entity", "team", "type", "state", "diagnosis", "currency", "assigned"], name="one_tally_per_group"
            ),
        ),
        migrations.RunPython(count_again, migrations.RunPython.noop),
    ]
