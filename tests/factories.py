"""Rows that tests begin with. Companies, people, their accounts at outside systems, and cases."""

from datetime import UTC, date, datetime
from decimal import Decimal

import factory

from apps.catalog.models import Item, Listing, MappingPart, SkuMapping
from apps.core.models import Entity, Membership, User
from apps.core.permissions import Role, Team
from apps.exceptions.models import Case, Diagnosis
from apps.integrations.models import Connection, StoredFile
from apps.ledger.approval import hash_of
from apps.ledger.models import Journal
from apps.orders.models import Order, OrderItem
from apps.settlements.models import Settlement, SettlementVersion


class EntityFactory(factory.django.DjangoModelFactory):
    name = factory.Sequence(lambda n: f"Brightfold {n} Ltd")
    country = "GB"
    zone = "Europe/London"
    base_currency = "GBP"

    class Meta:
        model = Entity


class UserFactory(factory.django.DjangoModelFactory):
    name = factory.Sequence(lambda n: f"Person {n}")
    email = factory.Sequence(lambda n: f"person{n}@example.com")

    class Meta:
        model = User


class MembershipFactory(factory.django.DjangoModelFactory):
    role = Role.FINANCE

    class Meta:
        model = Membership


class ConnectionFactory(factory.django.DjangoModelFactory):
    entity = factory.SubFactory(EntityFactory)
    name = factory.Sequence(lambda n: f"amazon.co.uk {n}")

    class Meta:
        model = Connection


class CaseFactory(factory.django.DjangoModelFactory):
    """A case as rows go, for what reads cases. What sweeps and actions do to cases is tested through them."""

    type = "test.holds"
    entity = factory.SubFactory(EntityFactory)
    subject = factory.Sequence(lambda n: f"subject {n}")
    team = Team.FINANCE
    holds_back = True
    diagnosis = Diagnosis.STRUCTURAL
    currency = "GBP"
    due_at = datetime(2026, 11, 13, 17, 0, tzinfo=UTC)
    score = 0.0

    class Meta:
        model = Case


class StoredFileFactory(factory.django.DjangoModelFactory):
    """The row alone: no bytes stand behind it."""

    connection = factory.SubFactory(ConnectionFactory)
    sha256 = factory.Sequence(lambda n: f"{n:064x}")
    name = factory.Sequence(lambda n: f"settlement-{n}.txt")
    size = 1000
    path = factory.LazyAttribute(lambda file: f"raw/{file.sha256}")

    class Meta:
        model = StoredFile


class SettlementFactory(factory.django.DjangoModelFactory):
    connection = factory.SubFactory(ConnectionFactory)
    entity = factory.SelfAttribute("connection.entity")
    settlement_id = factory.Sequence(lambda n: f"5{n:010d}")
    currency = "GBP"
    start_at = datetime(2026, 10, 24, tzinfo=UTC)
    end_at = datetime(2026, 11, 7, tzinfo=UTC)
    deposit_at = datetime(2026, 11, 9, tzinfo=UTC)

    class Meta:
        model = Settlement


class VersionFactory(factory.django.DjangoModelFactory):
    """A taken version without lines."""

    settlement = factory.SubFactory(SettlementFactory)
    file = factory.SubFactory(StoredFileFactory, connection=factory.SelfAttribute("..settlement.connection"))
    number = 1
    state = SettlementVersion.State.TAKEN
    rows_hash = factory.SelfAttribute("file.sha256")
    total = Decimal("100.00")
    sum = Decimal("100.00")
    lines = 0
    encoding = "UTF-8"
    line_end = "LF"
    date_style = "31.12.2026"
    decimal_style = "1.00"

    class Meta:
        model = SettlementVersion


class JournalFactory(factory.django.DjangoModelFactory):
    """An empty draft, of no settlement yet."""

    entity = factory.SubFactory(EntityFactory)
    key = factory.Sequence(lambda n: f"stl:{n}:202610:1")
    currency = "GBP"
    period = date(2026, 10, 1)
    dated = date(2026, 10, 31)
    state = Journal.State.DRAFT

    class Meta:
        model = Journal


class ItemFactory(factory.django.DjangoModelFactory):
    entity = factory.SubFactory(EntityFactory)
    code = factory.Sequence(lambda n: f"BF-{n:04d}")
    title = "Desk lamp"

    class Meta:
        model = Item


class ListingFactory(factory.django.DjangoModelFactory):
    connection = factory.SubFactory(ConnectionFactory)
    marketplace = "A1F83G8C2ARO7P"
    sku = factory.Sequence(lambda n: f"SKU-{n}")
    title = "Desk lamp"

    class Meta:
        model = Listing


class OrderFactory(factory.django.DjangoModelFactory):
    """An unshipped order that we ship, as the feed leaves it before it is routed."""

    connection = factory.SubFactory(ConnectionFactory)
    entity = factory.SelfAttribute("connection.entity")
    order_id = factory.Sequence(lambda n: f"202-1234567-{n:07d}")
    marketplace = "A1F83G8C2ARO7P"
    on_amazon = True
    channel = "MFN"
    status = "UNSHIPPED"
    purchased_at = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    changed_at = datetime(2026, 11, 20, 10, 5, tzinfo=UTC)
    ship_by = datetime(2026, 11, 23, 23, 59, tzinfo=UTC)
    currency = "GBP"
    total = Decimal("24.99")
    content = factory.Sequence(lambda n: f"{n:064x}")
    route = "pending"

    class Meta:
        model = Order


class OrderItemFactory(factory.django.DjangoModelFactory):
    order = factory.SubFactory(OrderFactory)
    item_id = factory.Sequence(lambda n: f"2{n:013d}")
    listing = factory.SubFactory(ListingFactory, connection=factory.SelfAttribute("..order.connection"))
    title = "Desk lamp"
    quantity = 1
    price = Decimal("24.99")

    class Meta:
        model = OrderItem


def mapped(listing: Listing, *parts: tuple[Item, int], since: date = date(2026, 1, 1)) -> SkuMapping:
    """The listing with a mapping from that day on, as rows go. How people map is tested through mapping."""
    maker = UserFactory()
    mapping = SkuMapping.objects.create(listing=listing, period=(since, None), source="person", made_by=maker)
    MappingPart.objects.bulk_create(MappingPart(mapping=mapping, item=item, quantity=many) for item, many in parts)
    return mapping


def person(role: Role, entity: Entity, **values) -> User:
    """Somebody with one role in one company."""
    user = UserFactory(**values)
    Membership.objects.create(user=user, entity=entity, role=role)
    return user


def approved(journal: Journal, by: User) -> Journal:
    """The journal with an approval that holds, as rows go. What may be approved is tested through approving."""
    journal.lines_hash = hash_of([journal])[journal.pk]
    journal.save(update_fields=["lines_hash"])
    journal.state, journal.approved_hash = Journal.State.APPROVED, journal.lines_hash
    journal.approved_by, journal.approved_at = by, datetime(2026, 11, 10, tzinfo=UTC)
    journal.save()
    return journal
