"""Reserve chains: which settlements hand their reserve on to which, whether that holds; changing one after a preview."""

from django.db.models import QuerySet
from rest_framework import serializers

from apps.api.acting import Acting
from apps.api.fields import Money, Named, Told
from apps.api.resources import Resource
from apps.core.models import User
from apps.core.money import plain
from apps.core.permissions import READ_MONEY
from apps.settlements.chain_deeds import DEEDS
from apps.settlements.chain_rules import Link
from apps.settlements.chain_words import link_words
from apps.settlements.chains import roll_forward
from apps.settlements.models import ReserveChain
from apps.work.deeds import Deed


class ChainOut(Told):
    """Settlements of a connection and currency that hand their reserve on, one to the next."""

    entity = Named(read_only=True)
    connection = Named(read_only=True)
    opening = Money(allow_null=True, help_text="The reserve before its first settlement; null until a person has said it")
    confirmed_by = Named(read_only=True, allow_null=True, help_text="Null while it is a proposal of the system")
    ended_by = Named(read_only=True, allow_null=True, help_text="Who said that no settlement follows")

    class Meta:
        model = ReserveChain
        fields = [
            *("id", "entity", "connection", "name", "currency", "opening", "confirmed_by", "confirmed_at"),
            *("ended_by", "ended_at"),
        ]
        read_only_fields = fields


class LinkOut(serializers.Serializer):
    """A settlement in its chain, and how it hangs on the one before it."""

    settlement_id = serializers.CharField()
    link = serializers.ChoiceField([each.value for each in Link])
    words = serializers.CharField(help_text="The same as a sentence")
    expected = serializers.CharField(help_text="What the one before kept")
    given_back = serializers.CharField(help_text="What Amazon gave back")
    kept = serializers.CharField(help_text="What Amazon kept for the next")


class ChainDetail(ChainOut):
    """A chain link by link, the oldest first."""

    links = serializers.SerializerMethodField()
    difference = serializers.SerializerMethodField(help_text="What the chain comes to less what the last settlement kept")

    class Meta(ChainOut.Meta):
        fields = [*ChainOut.Meta.fields, "links", "difference"]
        read_only_fields = fields

    def to_representation(self, chain: ReserveChain) -> dict:
        self.rolled = roll_forward(chain)
        return super().to_representation(chain)

    def get_links(self, chain: ReserveChain) -> LinkOut(many=True):
        return [
            {
                "settlement_id": linked.payout.id,
                "link": linked.link.value,
                "words": f"{link_words(linked, chain.currency)}.",
                "expected": plain(linked.expected, chain.currency),
                "given_back": plain(linked.payout.given_back, chain.currency),
                "kept": plain(linked.payout.kept, chain.currency),
            }
            for linked in self.rolled.links
        ]

    def get_difference(self, chain: ReserveChain) -> str:
        return plain(self.rolled.standing.difference, chain.currency)


class Chains(Acting, Resource):
    says = {"list": "The reserve chains of your companies.", "retrieve": "One reserve chain, link by link."}
    serializer_class = ChainOut
    detail_class = ChainDetail
    permission = READ_MONEY
    entity_path = "connection__entity_id"
    order = ("pk",)

    def visible(self, user: User) -> QuerySet[ReserveChain]:
        return ReserveChain.objects.visible_to(user).select_related("connection__entity", "confirmed_by", "ended_by")

    def offered(self, chain: ReserveChain) -> list[Deed]:
        return list(DEEDS.values())

    def named(self, chain: ReserveChain, name: str) -> Deed | None:
        return DEEDS.get(name)
