"""What stood before this release goes on: its drafts can be approved as they are."""

from decimal import Decimal
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection

from apps.catalog.models import Listing
from apps.ledger.models import Journal
from apps.settlements.approval import approve
from apps.settlements.models import SettledSku
from tests.settlements.books import settle
from tests.settlements.files import SALE, File, line
from tests.settlements.take import take

fill = import_module("apps.ledger.migrations.0005_hash_what_stands").fill
fill_skus = import_module("apps.settlements.migrations.0008_settled_skus").fill


@pytest.mark.django_db(transaction=True)
def test_drafts_of_the_release_before_can_be_approved(place, ian):
    (draft,) = settle(place, "30000000001")
    built = draft.lines_hash
    Journal.objects.update(lines_hash="")
    with connection.schema_editor() as editor:
        fill(apps, editor)
    draft.refresh_from_db()
    assert draft.lines_hash == built
    approve(journals=[draft], actor=ian)


@pytest.mark.django_db(transaction=True)
def test_skus_of_settlements_read_before_are_known(place):
    take(place, File(lines=(*SALE, line("4.00", sku="OLD"), line("9.00", sku="GIFT", marketplace_name="Non-Amazon"))))
    written = list(SettledSku.objects.order_by("listing__sku").values_list("listing__sku", "lines", "amount"))
    assert written == [("MUG-01", 3, Decimal("105.0000")), ("OLD", 1, Decimal("4.0000"))]
    SettledSku.objects.all().delete()
    Listing.objects.all().delete()
    with connection.schema_editor() as editor:
        fill_skus(apps, editor)
    assert written == list(SettledSku.objects.order_by("listing__sku").values_list("listing__sku", "lines", "amount"))
