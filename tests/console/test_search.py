"""One box finds any id that the person may read, and opens the only one."""

import pytest
from django.urls import reverse

from apps.core.permissions import Role
from tests.console.conftest import Company
from tests.console.pages import Page
from tests.factories import ItemFactory, ListingFactory, OrderFactory

pytestmark = pytest.mark.django_db(transaction=True)


def find(company: Company, role: Role, asked: str):
    return company.client(role).get(reverse("search"), {"q": asked})


def test_the_only_one_is_opened(ours: Company):
    listing = ListingFactory(connection=ours.connection, sku="BF-OAKTRAY-40", asin="B0CXTRAY40")
    order = OrderFactory(connection=ours.connection, entity=ours.entity, order_id="203-6612847-1190764")
    for asked, address in (
        (ours.settlement.settlement_id, reverse("settlement", args=[ours.settlement.settlement_id])),
        (str(ours.fee_case.pk), reverse("case", args=[ours.fee_case.pk])),
        ("bf-oaktray-40", reverse("listing", args=[listing.pk])),
        (" 203-6612847-1190764 ", reverse("order", args=[order.pk])),
    ):
        assert find(ours, Role.FINANCE, asked).url == address, asked


def test_a_beginning_or_an_asin_lists_what_has_it(ours: Company):
    ListingFactory(connection=ours.connection, sku="BF-OAKTRAY-40", asin="B0CXTRAY40")
    ListingFactory(connection=ours.connection, sku="BF-OAKTRAY-30")
    ItemFactory(entity=ours.entity, code="BF-OAKTRAY")
    page = find(ours, Role.ECOMMERCE, "BF-OAK")
    assert Page(page).heading == "3 hits for “BF-OAK”"
    assert "BF-OAKTRAY-40" in find(ours, Role.ECOMMERCE, "B0CXTRAY40").content.decode()


def test_what_a_role_does_not_read_or_another_company_has_is_not_found(ours: Company, theirs: Company):
    assert Page(find(ours, Role.OPS, ours.settlement.settlement_id)).heading.startswith("Nothing has the id")
    assert Page(find(ours, Role.FINANCE, theirs.settlement.settlement_id)).heading.startswith("Nothing has the id")
    assert Page(find(ours, Role.ECOMMERCE, str(ours.fee_case.pk))).heading.startswith("Nothing has the id")


def test_marks_alone_find_no_case(ours: Company):
    assert Page(find(ours, Role.FINANCE, "–-–")).heading.startswith("Nothing has the id")


@pytest.mark.parametrize("odd", ["", "%", "a" * 300, "١٢٣", "' OR 1=1", "9" * 40])
def test_whatever_is_asked_is_answered(ours: Company, odd):
    assert find(ours, Role.ADMIN, odd).status_code in (200, 404)
