"""Settlement reports: versions of a file, its lines, their signatures and roll-ups, the rules that map them, the journals."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from apps.catalog.models import Listing
from apps.core.models import Entity, User
from apps.core.permissions import READ_MONEY
from apps.core.ranges import key_range
from apps.integrations.models import Connection, Job, StoredFile
from apps.ledger.models import Account, Journal, JournalLine, TaxClass


class Treatment(models.TextChoices):
    """Who owes the tax of an order item (architecture.md section 5)."""

    SELLER = "seller", "Seller"
    FACILITATOR = "facilitator", "Facilitator"
    NONE = "none", "–"


class SettlementQuerySet(models.QuerySet["Settlement"]):
    def visible_to(self, user: User) -> "SettlementQuerySet":
        return self.filter(entity_id__in=user.entities_where(READ_MONEY))


class Settlement(models.Model):
    """One payout of Amazon's. Its figures come from its versions."""

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="settlements")
    connection = models.ForeignKey(Connection, models.PROTECT, related_name="settlements")
    settlement_id = models.CharField(max_length=40, unique=True)
    currency = models.CharField(max_length=3)
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    deposit_at = models.DateTimeField()

    objects = SettlementQuerySet.as_manager()

    class Meta:
        ordering = ["-end_at"]
        indexes = [models.Index(fields=["entity", "-end_at"], name="settlements_by_end")]

    def __str__(self) -> str:
        return self.settlement_id


class SettlementVersion(models.Model):
    """The rows of one file of a settlement. At most one version is taken: its journals are the settlement's.

    `rows_hash` is over the lines without BOM and line ends, so equal rows are known again. `extra_columns` are the names of
    columns beyond the layout's; their data stays in the raw file.
    """

    class State(models.TextChoices):
        TAKEN = "taken", "Taken"
        HELD = "held", "Held: does not tie"
        CHANGED = "changed", "Changed: other rows"
        SUPERSEDED = "superseded", "Superseded"

    settlement = models.ForeignKey(Settlement, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    file = models.ForeignKey(StoredFile, models.PROTECT, related_name="versions")
    state = models.CharField(max_length=10, choices=State)
    rows_hash = models.CharField(max_length=64)
    total = models.DecimalField(max_digits=18, decimal_places=4, help_text="total-amount of the summary row")
    sum = models.DecimalField(max_digits=18, decimal_places=4, help_text="Sum of amount over all other lines")
    lines = models.PositiveIntegerField()
    encoding = models.CharField(max_length=20)
    line_end = models.CharField(max_length=4)
    date_style = models.CharField(max_length=10)
    decimal_style = models.CharField(max_length=5)
    extra_columns = models.JSONField(default=list)
    taken_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["settlement", "number"], name="one_version_per_number"),
            models.UniqueConstraint(fields=["settlement", "rows_hash"], name="same_rows_once"),
            models.UniqueConstraint(fields=["settlement"], condition=Q(state="taken"), name="one_taken_version"),
            models.CheckConstraint(condition=~Q(state="taken") | Q(total=F("sum")), name="taken_ties"),
        ]

    @property
    def difference(self):
        """Sum of amounts less total-amount; zero for a file that ties."""
        return self.sum - self.total


def version_that_counts(versions: list[SettlementVersion]) -> SettlementVersion:
    """Of a settlement's versions in their order the taken one; else the newest."""
    return next((version for version in versions if version.state == SettlementVersion.State.TAKEN), versions[-1])


READ_FILE = "settlements.read-file"  # the job kind that writes a FileReading


class FileReading(models.Model):
    """What came of reading a stored file: the newest verdict, in words. One row a file."""

    class Status(models.TextChoices):
        TAKEN = "taken", "Taken"
        KNOWN = "known", "Known"
        CHANGED = "changed", "Changed"
        HELD = "held", "Held"
        REFUSED = "refused", "Refused"
        PUT_AWAY = "put-away", "Put away"

    file = models.OneToOneField(StoredFile, models.PROTECT, related_name="reading")
    status = models.CharField(max_length=10, choices=Status)
    reason = models.CharField(max_length=60, blank=True)
    line = models.PositiveIntegerField(null=True, help_text="Line of the file, the header is line 1")
    words = models.TextField(blank=True)
    version = models.ForeignKey(SettlementVersion, models.PROTECT, null=True, related_name="readings")
    replaced_by = models.ForeignKey("self", models.PROTECT, null=True, related_name="+", help_text="The corrected file")
    job = models.ForeignKey(Job, models.PROTECT, null=True, related_name="+")
    read_at = models.DateTimeField(db_default=Now())

    @property
    def entity(self) -> Entity:
        return self.file.connection.entity

    @property
    def entity_id(self) -> int:
        return self.file.connection.entity_id


class FeeSignature(models.Model):
    """A kind of settlement line: what a person maps. Spelling as first seen; `key` is it trimmed and in lower case."""

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="signatures")
    key = models.CharField(max_length=600)
    marketplace = models.CharField(max_length=80, blank=True)
    transaction_type = models.CharField(max_length=120)
    amount_type = models.CharField(max_length=120)
    amount_description = models.CharField(max_length=240)
    treatment = models.CharField(max_length=12, choices=Treatment)
    first_seen = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entity", "key"], name="one_signature_per_key")]

    def __str__(self) -> str:
        return f"{self.transaction_type} / {self.amount_type} / {self.amount_description}"


class SettlementLine(models.Model):
    """One line of a file, typed. `line` counts from 1 at the header; `byte_offset` finds the raw line in the stored file.

    Two foreign keys on a table that takes a million rows in one COPY would cost more than the COPY: the version is written in
    the same transaction, and the application's role cannot delete signatures or versions.
    """

    pk = models.CompositePrimaryKey("version_id", "line")
    version = models.ForeignKey(
        SettlementVersion, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    line = models.IntegerField()
    byte_offset = models.BigIntegerField()
    signature = models.ForeignKey(
        FeeSignature, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    posted_at = models.DateTimeField()
    amount = models.DecimalField(max_digits=18, decimal_places=4)
    order_id = models.TextField(blank=True)
    order_item_code = models.TextField(blank=True)
    sku = models.TextField(blank=True)
    quantity = models.IntegerField(null=True)
    fulfillment = models.TextField(blank=True)


class SettledOrder(models.Model):
    """That a version has lines of an order, and between which lines. Finds an order at a sixth of what an index on the lines
    costs at ingest; without foreign key for the reason given at SettlementLine.
    """

    pk = models.CompositePrimaryKey("order_id", "version_id")
    order_id = models.TextField()
    version = models.ForeignKey(
        SettlementVersion, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    first_line = models.IntegerField()
    last_line = models.IntegerField()


class SettledSku(models.Model):
    """The lines that a version has of a listing, and their sum. Written at ingest, so that nobody counts lines by SKU;
    without foreign keys for the reason given at SettlementLine.
    """

    pk = models.CompositePrimaryKey("listing_id", "version_id")
    listing = models.ForeignKey(Listing, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    version = models.ForeignKey(
        SettlementVersion, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    lines = models.IntegerField()
    amount = models.DecimalField(max_digits=18, decimal_places=4)


class RollUpQuerySet(models.QuerySet["RollUp"]):
    def unmapped(self) -> "RollUpQuerySet":
        """Those whose signature no rule covers on their day."""
        resolved = Resolution.objects.filter(signature=OuterRef("signature"), period__contains=OuterRef("day"))
        return self.exclude(Exists(resolved))

    def taken(self) -> "RollUpQuerySet":
        return self.filter(version__state=SettlementVersion.State.TAKEN)


class RollUp(models.Model):
    """Lines of one signature on one day of the entity's zone and one leg ("GB>DE", or empty where not known), summed."""

    version = models.ForeignKey(SettlementVersion, models.PROTECT, related_name="rollups")
    signature = models.ForeignKey(FeeSignature, models.PROTECT, related_name="rollups")
    day = models.DateField()
    leg = models.CharField(max_length=5, blank=True)
    lines = models.PositiveIntegerField()
    credit = models.DecimalField(max_digits=18, decimal_places=4, help_text="Sum of the amounts above zero")
    debit = models.DecimalField(
        max_digits=18, decimal_places=4, help_text="Sum of the amounts below zero, without sign"
    )

    objects = RollUpQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "signature", "day", "leg"], name="one_rollup_per_cell"),
            models.CheckConstraint(condition=Q(credit__gte=0, debit__gte=0, lines__gt=0), name="rollup_sides"),
        ]


class Arrival(models.Model):
    """How much of a version had an account when it was read, by week (its Monday) and marketplace, money without sign.

    Written once: what is mapped later changes the share of now, and not this. Versions read before it was kept have none.
    """

    version = models.ForeignKey(SettlementVersion, models.PROTECT, related_name="arrivals")
    marketplace = models.CharField(max_length=80, blank=True)
    week = models.DateField()
    lines = models.PositiveIntegerField()
    money = models.DecimalField(max_digits=18, decimal_places=4)
    mapped_lines = models.PositiveIntegerField()
    mapped_money = models.DecimalField(max_digits=18, decimal_places=4)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "marketplace", "week"], name="one_arrival_per_week"),
            models.CheckConstraint(
                condition=Q(mapped_lines__lte=F("lines"), mapped_money__lte=F("money")), name="arrival_mapped_is_a_part"
            ),
        ]


class OrderLeg(models.Model):
    """Where an order was shipped from and to: a fact that a settlement file lacks (domain.md 4.4)."""

    connection = models.ForeignKey(Connection, models.PROTECT, related_name="+")
    order_id = models.TextField()
    ship_from = models.CharField(max_length=2)
    ship_to = models.CharField(max_length=2)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "order_id"], name="one_leg_per_order")]


class FeeRuleQuerySet(models.QuerySet["FeeRule"]):
    def in_force(self) -> "FeeRuleQuerySet":
        """Those that map something on some day: neither cut to nothing nor undone."""
        return self.filter(period__isempty=False)


class FeeRule(models.Model):
    """Maps the signatures that its patterns match to an account. An empty pattern field matches anything; "*" at the end of a
    description matches any ending. Case and surrounding blanks do not matter. The most specific rule wins (rules.py).

    `tax_class` empty: the amount carries no fee tax. A rule is never edited but for its period: a later version of the same
    pattern cuts it (`cut_by`), down to nothing where it takes its whole place. A version without an account says that the
    mapping was undone; its period is empty.
    """

    entity = models.ForeignKey(Entity, models.PROTECT, related_name="fee_rules")
    marketplace = models.CharField(max_length=80, blank=True)
    transaction_type = models.CharField(max_length=120, blank=True)
    amount_type = models.CharField(max_length=120, blank=True)
    amount_description = models.CharField(max_length=240, blank=True)
    treatment = models.CharField(max_length=12, blank=True, choices=Treatment)
    period = DateRangeField()
    account = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")
    tax_class = models.ForeignKey(TaxClass, models.PROTECT, null=True, related_name="+")
    source = models.CharField(max_length=20, help_text="chart:uk, or person")
    reason = models.CharField(max_length=240, blank=True)
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(db_default=Now())
    cut_by = models.ForeignKey("self", models.PROTECT, null=True, related_name="cuts")

    objects = FeeRuleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(account__isnull=False) | Q(period__isempty=True), name="rule_has_account"),
            ExclusionConstraint(
                name="one_rule_per_pattern_at_a_time",
                expressions=[
                    (
                        key_range(
                            "entity_id",
                            "marketplace",
                            "transaction_type",
                            "amount_type",
                            "amount_description",
                            "treatment",
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                    ("period", RangeOperators.OVERLAPS),
                ],
            )
        ]

    def __str__(self) -> str:
        parts = (self.transaction_type, self.amount_type, self.amount_description, self.marketplace, self.treatment)
        return " / ".join(part for part in parts if part) or "everything"


class Resolution(models.Model):
    """The rule that wins for a signature in a period. Recomputed for just the signatures that a rule change touches."""

    signature = models.ForeignKey(FeeSignature, models.PROTECT, related_name="resolutions")
    period = DateRangeField()
    rule = models.ForeignKey(FeeRule, models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="one_resolution_at_a_time",
                expressions=[(key_range("signature_id"), RangeOperators.OVERLAPS), ("period", RangeOperators.OVERLAPS)],
            )
        ]


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


class AcceptedColumn(models.Model):
    """An extra column that a person accepted for a connection: its files raise nothing more about it."""

    connection = models.ForeignKey(Connection, models.PROTECT, related_name="+")
    name = models.CharField(max_length=120)
    accepted_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    accepted_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "name"], name="column_accepted_once")]


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
