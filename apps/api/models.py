"""Writes that were done, so that the same request done again is answered and not done again."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now

from apps.core.models import User


class AnsweredWrite(models.Model):
    """What a write answered. `asked` is a keyed hash of the request. Written in the transaction of the effect."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+", db_index=False)  # the constraint's serves
    key = models.CharField(max_length=200)
    asked = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.JSONField(encoder=DjangoJSONEncoder)
    answered_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_per_key")]
