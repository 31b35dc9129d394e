"""Settlements: Amazon's payouts, the versions of their files, and whether what was booked equals what Amazon says."""

from django.db.models import Prefetch, QuerySet
from rest_framework import serializers

from apps.api.fields import Money, Month, Named, Told
from apps.api.resources import Resource
from apps.core.models import User
from apps.core.money import plain
from apps.core.permissions import READ_MONEY
from apps.ledger.models import Journal
from apps.settlements.booked import months_of, posted_by
from apps.settlements.models import Settlement, SettlementVersion, version_that_counts


class VersionOut(Told):
    """The rows of one file of a settlement. At most one version is taken: its journals are the settlement's."""

    file = serializers.CharField(source="file.name", read_only=True, help_text="As its sender called it")
    total = Money(currency="settlement.currency", help_text="total-amount, as Amazon says")
    sum = Money(currency="settlement.currency", help_text="Sum of all other lines")
    difference = Money(currency="settlement.currency", help_text="Sum less total; zero where the file ties")

    class Meta:
        model = SettlementVersion
        fields = ["number", "state", "file", "lines", "total", "sum", "difference", "taken_at"]
        read_only_fields = fields


class SettlementOut(Told):
    """One payout of Amazon's."""

    entity = Named(read_only=True)
    connection = Named(read_only=True)
    versions = VersionOut(many=True, read_only=True)

    class Meta:
        model = Settlement
        fields = [
            *("settlement_id", "entity", "connection", "currency", "start_at", "end_at", "deposit_at", "versions")
        ]
        read_only_fields = fields


class BookedOut(Told):
    """A journal of a settlement."""

    period = Month()

    class Meta:
        model = Journal
        fields = ["id", "key", "period", "state"]
        read_only_fields = fields


class TieOut(serializers.Serializer):
    """Figures from four places that are equal where all is well; null where nothing is booked."""

    total = serializers.CharField(help_text="As Amazon says")
    lines = serializers.CharField(help_text="Sum of the lines")
    clearing = serializers.CharField(allow_null=True, help_text="What all journals post to clearing")
    other_accounts = serializers.CharField(allow_null=True, help_text="What they post to all other accounts")
    carried_forward = serializers.CharField(allow_null=True, help_text="What is left there; zero where all months are in")
    ties = serializers.BooleanField(help_text="Whether all that is there is equal")


class SettlementDetail(SettlementOut):
    """A settlement with its journals and its tie-out."""

    journals = serializers.SerializerMethodField(help_text="The oldest month first")
    tie_out = serializers.SerializerMethodField()

    class Meta(SettlementOut.Meta):
        fields = [*SettlementOut.Meta.fields, "journals", "tie_out"]
        read_only_fields = fields

    def to_representation(self, settlement: Settlement) -> dict:
        self.version = version_that_counts(list(settlement.versions.all()))
        self.months = months_of(settlement) if self.version.state == SettlementVersion.State.TAKEN else []
        return super().to_representation(settlement)

    def get_journals(self, settlement: Settlement) -> BookedOut(many=True):
        return BookedOut([booked.journal for month in self.months for booked in month.journals], many=True).data

    def get_tie_out(self, settlement: Settlement) -> TieOut:
        figures = dict.fromkeys(("clearing", "other_accounts", "carried_forward"))
        figures |= {"total": self.version.total, "lines": self.version.sum}
        if self.months:
            posted = posted_by(self.months)
            figures |= {"clearing": posted.clearing, "other_accounts": posted.rest, "carried_forward": posted.carried_forward}
        equal = {figures[name] for name in ("total", "lines", "clearing", "other_accounts")} - {None}
        said = {name: None if value is None else plain(value, settlement.currency) for name, value in figures.items()}
        return TieOut(said | {"ties": len(equal) == 1 and not figures["carried_forward"]}).data


class Settlements(Resource):
    says = {
        "list": "Settlements, the newest first, each with the versions of its file.",
        "retrieve": "One settlement with its journals and its tie-out.",
    }
    serializer_class = SettlementOut
    detail_class = SettlementDetail
    permission = READ_MONEY
    order = ("-end_at", "-pk")
    lookup_field = "settlement_id"
    lookup_value_regex = r"[\w.-]{1,40}"
    id_type = str

    def visible(self, user: User) -> QuerySet[Settlement]:
        versions = SettlementVersion.objects.select_related("file", "settlement")
        return Settlement.objects.visible_to(user).select_related("entity", "connection").prefetch_related(
            Prefetch("versions", versions)
        )
