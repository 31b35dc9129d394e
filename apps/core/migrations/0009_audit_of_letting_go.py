from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0008_zone_known")]
    operations = [
        migrations.AddIndex(
            "auditentry",
            models.Index(
                condition=models.Q(("verb__in", ("case.woken", "case.released", "case.handed-over"))),
                fields=["entity", "at"],
                name="audit_of_letting_go",
            ),
        ),
    ]
