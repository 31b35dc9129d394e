from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0009_audit_of_letting_go"),
        ("exceptions", "0008_changed_at"),
        ("work", "0008_work_calendar"),
    ]
    operations = [migrations.AddField("channel", "looked_at", models.DateTimeField(null=True))]
