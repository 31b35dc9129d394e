"""The clock keeps what it was ever told to do: what the one purge does now is taken off it."""

from django.db import migrations

TAKE_OFF = """
    DELETE FROM django_celery_beat_periodictask
    WHERE name IN ('forget-sign-ins', 'purge-buyers', 'purge-runs', 'forget-answers')
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0011_password_seen"), ("django_celery_beat", "0019_alter_periodictasks_options")]
    operations = [migrations.RunSQL(TAKE_OFF, migrations.RunSQL.noop)]
