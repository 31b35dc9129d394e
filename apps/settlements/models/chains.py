"""Chains of settlements that hand their reserve on."""

from django.db import models
from django.db.models import Q

from apps.core.models import Entity, User
from apps.core.permissions import READ_MONEY
from apps.integrations.models import Connection
from apps.settlements.models.settlements import Settlement


class ReserveChainQuerySet(models.QuerySet["ReserveChain"]):
    def visible_to(self, user: User) -> "ReserveChainQuerySet":
        return self.filter(connection__entity_id__in=user.entities_where(READ_MONEY))


class ReserveChain(models.Model):
    """Settlements of a connection and currency that hand their reserve on, one to the next.

    One account can run several at once. Proposed by the system, confirmed by a person; `opening` is the reserve before its
    first settlement, once confirmed.
    """

    connection = models.ForeignKey(Connection, models.PROTECT, related_name="chains")
    currency = models.CharField(max_length=3)
    name = models.CharField(max_length=120, help_text="The marketplaces, e.g. Amazon.co.uk")
    confirmed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
    opening = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    opening_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    opening_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True, help_text="When a person said that no settlement follows")

    objects = ReserveChainQuerySet.as_manager()

    class Meta:
        ordering = ["connection", "currency", "name"]
        constraints = [
            models.UniqueConstraint(fields=["connection", "currency", "name"], name="one_chain_per_name"),
            models.CheckConstraint(
                condition=Q(confirmed_by=None, confirmed_at=None) | Q(confirmed_by__isnull=False, confirmed_at__isnull=False),
                name="chain_confirmed_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(opening=None, opening_by=None, opening_at=None)
                | Q(opening__isnull=False, opening_by__isnull=False, opening_at__isnull=False),
                name="opening_confirmed_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(ended_by=None, ended_at=None) | Q(ended_by__isnull=False, ended_at__isnull=False),
                name="chain_ended_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def entity(self) -> Entity:
        return self.connection.entity

    @property
    def entity_id(self) -> int:
        return self.connection.entity_id


class ChainLink(models.Model):
    """That a settlement belongs to a chain. `placed_by` is the person who put it there; nobody: proposed.

    `doubtful`: it could as well follow a settlement of another chain, and nobody has decided.
    """

    settlement = models.OneToOneField(Settlement, models.PROTECT, related_name="link")
    chain = models.ForeignKey(ReserveChain, models.PROTECT, related_name="links")
    placed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    doubtful = models.BooleanField(default=False)
