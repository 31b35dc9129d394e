from django.db import migrations, models

# Until now nobody wrote it down; a run that ended well and did not prove anything is the rare one.
OF_OLD = "UPDATE integrations_syncrun SET proven = true WHERE verdict = '' AND ended_at IS NOT NULL"


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0004_put_off"),
    ]

    operations = [
        migrations.AddField(
            model_name="syncrun",
            name="proven",
            field=models.BooleanField(
                default=False, help_text="A page said up to when the system has told us everything"
            ),
        ),
        migrations.RunSQL(OF_OLD, migrations.RunSQL.noop),
    ]
