"""Operations sign the daily check in the browser's words: with orders, with zero, and see who signed when."""

import re

import pytest
from django.urls import reverse

from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.orders.models import Order
from apps.work.models import SignedCheck
from tests.console.pages import Page
from tests.factories import ListingFactory, OrderItemFactory
from tests.work.test_rejected_orders import order

pytestmark = pytest.mark.django_db(transaction=True)


def address(ours, name="check", *more) -> str:
    return reverse(name, args=[ours.entity.pk, "rejected-orders", *more])


def sign(client, ours, **data):
    page = client.get(address(ours)).content.decode()
    digest = re.search(r'name="digest" value="([0-9a-f]+)"', page).group(1)
    return client.post(address(ours, "check_do", "sign"), {"digest": digest, "note": ""} | data)


def test_zero_is_signed_and_shown(ours):
    client = ours.client(Role.OPS)
    page = client.get(address(ours))
    assert Page(page).heading == "No order is held, refused, unreadable or late"
    assert "Sign with zero" in page.content.decode()
    assert sign(client, ours).status_code == 302
    after = client.get(address(ours)).content.decode()
    assert "Signed: 0 seen, 0 decided since the last one." in after and "Sign with zero</b>" not in after
    signed = SignedCheck.objects.get()
    assert "Operations 1 signed with 0 left" in client.get(reverse("signed_check", args=[signed.pk])).content.decode()


def test_orders_are_named_and_what_changed_meanwhile_is_shown_first(ours):
    client = ours.client(Role.OPS)
    held = order(ours.entity, route="held", holds=["sku"])
    page = client.get(address(ours)).content.decode()
    assert held.order_id in page and "A SKU has no item." in page
    digest = re.search(r'name="digest" value="([0-9a-f]+)"', page).group(1)
    Order.objects.filter(pk=held.pk).update(route="ship", holds=[])
    answer = client.post(address(ours, "check_do", "sign"), {"digest": digest, "note": ""})
    assert answer.status_code == 409 and "nothing was saved" in answer.content.decode()
    assert not SignedCheck.objects.exists()


def test_orders_stand_below_the_cause_that_they_share(ours):
    listing = ListingFactory(connection=ours.connection, sku="BF-NEW")
    for _ in range(2):
        OrderItemFactory(order=order(ours.entity, route="held", holds=["sku"]), listing=listing)
    sweep("sku.unmapped", Scope(entity=ours.entity))
    address_of_case = reverse("case", args=[Case.objects.live().get(type="sku.unmapped").pk])
    page = ours.client(Role.OPS).get(address(ours)).content.decode()
    assert page.count("2 orders wait because we do not know the SKU BF-NEW") == 1
    assert "2 here. Ecommerce has it: Ecommerce 1." in page and address_of_case not in page
    assert address_of_case in ours.client(Role.VIEWER).get(address(ours)).content.decode()


def test_a_viewer_reads_and_is_told_who_signs(ours):
    page = ours.client(Role.VIEWER).get(address(ours)).content.decode()
    assert "Your role cannot sign the daily check. Operations 1 can." in page


def test_a_day_is_marked_as_peak(ours):
    client = ours.client(Role.OPS)
    form = {"day": "2099-12-01", "preview": "1"}
    seen = client.post(address(ours, "check_do", "peak"), form).content.decode()
    digest = re.search(r'name="digest" value="([0-9a-f]+)"', seen).group(1)
    assert client.post(address(ours, "check_do", "peak"), {"day": "2099-12-01", "digest": digest}).status_code == 302
    assert ours.entity.peak_days.get().day.isoformat() == "2099-12-01"
