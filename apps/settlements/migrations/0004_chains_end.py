"""A chain that a person ended, and a link that could as well be another."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("settlements", "0003_corrections_and_chains"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AddField("chainlink", "doubtful", models.BooleanField(default=False)),
        migrations.AddField(
            "reservechain",
            "ended_at",
            models.DateTimeField(help_text="When a person said that no settlement follows", null=True),
        ),
        migrations.AddField(
            "reservechain",
            "ended_by",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            "reservechain",
            models.CheckConstraint(
                condition=models.Q(("ended_at", None), ("ended_by", None))
                | models.Q(("ended_at__isnull", False), ("ended_by__isnull", False)),
                name="chain_ended_by_somebody",
            ),
        ),
    ]
