from django.db import migrations, models

# Of those before nobody noted which link was used: who was given one by an admin may have used that.
GIVEN = """
    UPDATE core_user SET password_seen = true
    WHERE id IN (SELECT substr(subject, 8)::bigint FROM core_auditentry WHERE verb = 'password.link-given')
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0010_audit_of_more_letting_go")]

    operations = [
        migrations.AddField(
            "user",
            "password_seen",
            models.BooleanField(default=False, help_text="Set by a link that an admin had seen, who may know it"),
        ),
        migrations.RunSQL(GIVEN, migrations.RunSQL.noop),
    ]
