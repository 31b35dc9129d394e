"""What the journals of a settlement book, and what their lines are made of."""

from django.db import models

from apps.ledger.models import Journal, JournalLine
from apps.settlements.models.fees import FeeSignature
from apps.settlements.models.settlements import SettlementVersion


class SettlementJournal(models.Model):
    """What a journal books: a month of a version of a settlement. `number` 1 is all of it, each later one a difference.

    `parts_hash` is over what its lines are made of, so that building it again writes nothing where nothing changed.
    """

    version = models.ForeignKey(SettlementVersion, models.PROTECT, related_name="journals")
    journal = models.OneToOneField(Journal, models.CASCADE, related_name="of_settlement")
    month = models.DateField()
    number = models.PositiveIntegerField(default=1)
    parts_hash = models.CharField(max_length=64)


class JournalPart(models.Model):
    """What a journal line is made of: one signature on one leg, gross. The way down from a figure to its lines.

    `default_leg` says that the leg was not known and the tax class's default was taken. In a correction, lines and amount
    are the difference: lines that left an account count below zero.
    """

    journal_line = models.ForeignKey(JournalLine, models.CASCADE, related_name="parts")
    signature = models.ForeignKey(FeeSignature, models.PROTECT, related_name="+")
    leg = models.CharField(max_length=5, blank=True)
    default_leg = models.BooleanField(default=False)
    lines = models.IntegerField()
    amount = models.DecimalField(max_digits=18, decimal_places=4)
