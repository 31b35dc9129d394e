"""Two companies with everything in them that a screen shows, read and swept for real."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from apps.catalog.models import Listing
from apps.core.models import Entity, User
from apps.core.operations import set_second_person
from apps.core.permissions import Role, Team
from apps.exceptions.models import Case
from apps.exceptions.operations import find_action, plan
from apps.exceptions.types import REGISTRY
from apps.imports.models import Import
from apps.integrations.models import Connection, Job, Source, SyncRun
from apps.integrations.runs import pull
from apps.ledger.models import Account, ExportBatch, Journal
from apps.orders.models import Order
from apps.orders.routing import RELEASE, free
from apps.settlements.approval import approve
from apps.settlements.charts import apply_chart
from apps.settlements.exports import export
from apps.settlements.models import FileReading, Settlement, SettlementVersion
from apps.work.alerts.channels import add_channel, send_test
from apps.work.alerts.models import Alert
from apps.work.bulk.models import Bulk
from apps.work.bulk.operations import freeze
from apps.work.filters import CaseFilter
from apps.work.models import Proposal, RunbookAddition, SavedView, ShiftNote, SignedCheck
from apps.work.proposals import propose
from apps.work.routines import ROUTINES, sign
from apps.work.runbooks import write
from apps.work.saved_views import save, share
from apps.work.shifts.drafting import draft
from apps.work.shifts.operations import shift_of
from tests.factories import ConnectionFactory, EntityFactory, ListingFactory, OrderFactory, OrderItemFactory, person
from tests.imports.sheets import bring, csv_of
from tests.inventory.scans import amazon, scan, summary
from tests.orders.amazon import record
from tests.orders.take import taken
from tests.settlements.books import SHIPPED, settle
from tests.settlements.files import SALE, File, line
from tests.settlements.take import take, take_legs

NEW_FEE = line("-4.20", amount_type="ItemFees", amount_description="NewReturnFee")
NOT_V2 = b"settlement-id\tcurrency\n300\tGBP\n"


@dataclass(frozen=True)
class Company:
    """A company with the UK chart, one settlement that a fee stops, one that is held, one file that was refused."""

    entity: Entity
    connection: Connection
    people: dict[Role, User]

    @property
    def settlement(self) -> Settlement:
        return Settlement.objects.filter(entity=self.entity, versions__state="taken").earliest("pk")

    @property
    def held(self) -> Settlement:
        return Settlement.objects.get(entity=self.entity, versions__state="held")

    @property
    def version(self) -> SettlementVersion:
        return self.settlement.versions.get()

    @property
    def fee_case(self) -> Case:
        return Case.objects.get(entity=self.entity, type="settlement.fee-unmapped")

    @property
    def runbook(self) -> RunbookAddition:
        """What finance adds to the runbook of unknown fees, at the latest now."""
        if found := RunbookAddition.objects.filter(entity=self.entity).first():
            return found
        kind, actor = REGISTRY["settlement.fee-unmapped"], self.people[Role.FINANCE]
        return write(kind=kind, entity=self.entity, text=f"Ask {actor.name}.", after=0, actor=actor)

    @property
    def saved_view(self) -> SavedView:
        """One of the finance team's, at the latest now."""
        if found := SavedView.objects.filter(entity=self.entity).first():
            return found
        finance = self.people[Role.FINANCE]
        view = save(actor=finance, asked=CaseFilter(team="finance", due="week"), name=f"Week of {self.entity}")
        return share(view=view, actor=finance, entity=self.entity)

    @property
    def batch(self) -> ExportBatch:
        """The complete journal of the settlement, approved and exported, at the latest now."""
        if found := ExportBatch.objects.filter(entity=self.entity).first():
            return found
        done = {
            "journals": Journal.objects.filter(entity=self.entity, state="draft"),
            "actor": self.people[Role.FINANCE],
        }
        approve(**done)
        return export(**done, format="generic")

    @property
    def signed_check(self) -> SignedCheck:
        if found := SignedCheck.objects.filter(entity=self.entity).first():
            return found
        actor = self.people[Role.OPS]
        return sign(routine=ROUTINES["rejected-orders"], entity=self.entity, now=timezone.now(), note="", actor=actor)

    @property
    def shift_note(self) -> ShiftNote:
        """What finance left to finance, at the latest now, as rows go: one person cannot hand over to nobody."""
        if found := ShiftNote.objects.filter(entity=self.entity).first():
            return found
        shift = shift_of(self.entity, Team.FINANCE, timezone.now())
        return ShiftNote.objects.create(
            entity=self.entity,
            team=Team.FINANCE,
            written_by=self.people[Role.FINANCE],
            written_at=shift.now,
            since=shift.since,
            words=f"Amazon calls {self.people[Role.FINANCE].name} back at nine.",
            facts=[section.said for section in draft(shift)],
        )

    @property
    def listing(self) -> Listing:
        """A SKU that one order waits for, at the latest now."""
        if found := Listing.objects.filter(connection=self.connection).first():
            return found
        listing = ListingFactory(connection=self.connection, sku=f"BF-OAKTRAY-{self.entity.pk}")
        order = OrderFactory(connection=self.connection, route="held", holds=["sku"])
        OrderItemFactory(order=order, listing=listing)
        return listing

    @property
    def release(self) -> Job:
        """The release of what waited for the listing, not begun."""
        listing = self.listing
        if found := Job.objects.filter(entity=self.entity, kind=RELEASE).first():
            return found
        return free([listing.pk], entity=self.entity, actor=self.people[Role.ECOMMERCE])

    @property
    def order(self) -> Order:
        """Held, because nobody says who ships it and its SKU has no item."""
        if found := Order.objects.filter(entity=self.entity).first():
            return found
        return taken(self.connection, record(by=None))

    @property
    def held_legs(self) -> FileReading:
        """A file of order legs that would correct a journal that has left, at the latest now."""
        if found := FileReading.objects.filter(file__connection=self.connection, reason="legs").first():
            return found
        finance = self.people[Role.FINANCE]
        journals = approve(journals=settle(self.connection, f"6000000000{self.entity.pk}", SHIPPED), actor=finance)
        export(journals=journals, format="generic", actor=finance)
        return take_legs(self.connection, {SALE[0]["order-id"]: "GB>DE"})

    @property
    def imported(self) -> Import:
        """A sheet of items with one good row and one bad, checked and not saved, at the latest now."""
        if found := Import.objects.filter(entity=self.entity).first():
            return found
        rows = csv_of([["Item", "Title"], [f"BF-{self.entity.pk}", "Mug"], ["BF-TRAY ", "Tray"]])
        return bring(self.entity, self.people[Role.ADMIN], rows, name="items.csv")

    @property
    def proposal(self) -> Proposal:
        """The fee's mapping, heavier than one person may do alone, asked for by Finance at the latest now."""
        if found := Proposal.objects.filter(entity=self.entity).first():
            return found
        limits = {"above": Decimal(0), "lines_above": None, "reason": "Four eyes"}
        set_second_person(entity=self.entity, actor=self.people[Role.ADMIN], **limits)
        case, actor = self.fee_case, self.people[Role.FINANCE]
        data = {
            "account": Account.objects.get(entity=self.entity, code="5110").pk, "tax": "none", "where": "everywhere",
            "match": "exact", "since": "2026-10-01", "reason": "A fee for returns",
        }  # fmt: skip
        _, planned = plan(case=case, action=find_action(case, "map-fee"), actor=actor, data=data)
        return propose(kind="case", record=case, name="map-fee", actor=actor, data=data, digest=planned.digest)

    @property
    def bulk(self) -> Bulk:
        """Finance's, of its one fee case, not checked yet, at the latest now."""
        if found := Bulk.objects.filter(queues=[f"{self.entity.pk}:finance"]).first():
            return found
        asked = {"action": "claim", "data": {}, "entity_ids": [self.entity.pk], "case_ids": [self.fee_case.pk]}
        return freeze(user=self.people[Role.FINANCE], **asked)

    @property
    def run(self) -> SyncRun:
        """A pull of an Amazon account that waits for a worker, at the latest now."""
        if found := SyncRun.objects.filter(source__connection__entity=self.entity).first():
            return found
        account = ConnectionFactory(entity=self.entity, kind=Connection.Kind.AMAZON, name=f"Amazon {self.entity.name}")
        return pull(Source.objects.create(connection=account, feed="amazon.orders", every=timedelta(minutes=15)))

    @property
    def stocked(self) -> Listing:
        """A listing that Amazon has stock of, at the latest now."""
        if found := Listing.objects.filter(connection__entity=self.entity).exclude(levels=None).first():
            return found
        place = amazon(self.entity, name=f"Amazon of {self.entity.name}")
        scan(place, summary("BF-TRAY-OAK-40", 12))
        return Listing.objects.get(connection=place)

    @property
    def alert(self) -> Alert:
        """A test of a channel of finance, not sent, at the latest now."""
        if found := Alert.objects.filter(channel__entity=self.entity).first():
            return found
        actor = self.people[Role.FINANCE]
        address = {"kind": "email", "address": f"finance@{self.entity.pk}.example"}
        channel = add_channel(entity=self.entity, team=Team.FINANCE, name=f"Money {self.entity}", actor=actor, **address)
        return send_test(channel=channel, actor=actor)

    def client(self, role: Role) -> Client:
        return signed_in(self.people[role])


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def company(number: int) -> Company:
    entity = EntityFactory(name=f"Brackenfold {number}")
    people = {role: person(role, entity, name=f"{role.label} {number}") for role in Role}
    connection = ConnectionFactory(entity=entity, name=f"amazon.co.uk {number}")
    apply_chart(chart="uk", entity=entity, actor=people[Role.FINANCE])
    take(connection, File(settlement_id=f"3000000000{number}", lines=(*SALE, NEW_FEE)), name="settlement.txt")
    take(connection, File(settlement_id=f"4000000000{number}", total="1.00"), name="held.txt")
    take(connection, NOT_V2, name="not-v2.txt")
    return Company(entity, connection, people)


@pytest.fixture
def ours(transactional_db) -> Company:
    return company(1)


@pytest.fixture
def theirs(transactional_db) -> Company:
    return company(2)
