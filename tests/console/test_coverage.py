"""Coverage over time: what had an account when it arrived stays, what has one now follows the rules; picture, table, CSV."""

import csv
import io
from datetime import date
from decimal import Decimal

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from apps.console.pictures import CEILING, FLOOR, LEFT, RIGHT, Series, picture
from apps.core.coverage import Share
from apps.core.permissions import Role
from apps.ledger.models import Account
from apps.settlements import operations
from apps.settlements.coverage import trend
from apps.settlements.models import Arrival
from tests.console.conftest import Company
from tests.console.pages import Page
from tests.factories import ConnectionFactory
from tests.settlements.files import File
from tests.settlements.take import take

FINANCE = Role.FINANCE
PAGE = "coverage"


def map_the_fee(ours: Company) -> None:
    operations.map_fee(
        entity=ours.entity, pattern={"marketplace": "", "transaction_type": "Order", "amount_type": "ItemFees",
        "amount_description": "NewReturnFee", "treatment": ""}, since=date(2026, 1, 1), tax_class=None, reason="A fee",
        account=Account.objects.get(entity=ours.entity, code="5110"), actor=ours.people[FINANCE],
    )  # fmt: skip


def test_what_arrived_without_an_account_stays_so_and_now_follows_the_rules(ours: Company):
    (before,) = trend([ours.entity.pk])
    assert before.arrived == before.now
    assert before.now.count - before.now.mapped_count == 1
    assert before.now.money - before.now.mapped_money == Decimal("4.20")
    map_the_fee(ours)
    (after,) = trend([ours.entity.pk])
    assert (after.now.of_money, after.now.of_count) == (100, 100)
    assert after.arrived == before.arrived and after.arrived.of_money < 100


def test_what_was_not_kept_is_said(ours: Company):
    Arrival.objects.all().delete()
    (week,) = trend([ours.entity.pk])
    assert week.arrived is None
    client = ours.client(FINANCE)
    assert "read before we kept it" in client.get(reverse(PAGE)).content.decode()
    assert client.get(reverse(PAGE), {"side": "arrived"}).status_code == 200


def test_a_share_is_rounded_down_so_that_100_means_all():
    almost = Share(1000, Decimal("1000.00"), 999, Decimal("999.99"))
    assert (almost.of_count, almost.of_money) == (Decimal("99.9"), Decimal("99.9"))


def test_the_page_names_the_newest_week_and_what_has_no_account(ours: Company, theirs: Company):
    page = ours.client(FINANCE).get(reverse(PAGE))
    body = page.content.decode()
    assert "has an account in the newest week" in Page(page).heading
    assert "NewReturnFee" in body and "£4.20" in body and "amazon.co.uk 2" not in body
    assert '<svg class="chart lines"' in body and 'role="img"' in body and ("<polyline" in body or "<circle" in body)


def test_the_file_has_the_figures_of_the_table(ours: Company, theirs: Company):
    response = ours.client(FINANCE).get(reverse("coverage_file"))
    (row,) = csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode()))
    (week,) = trend([ours.entity.pk])
    assert row["connection"] == "amazon.co.uk 1"
    assert Decimal(row["money"]) == week.now.money and int(row["lines with an account at arrival"]) == week.now.mapped_count


def test_the_page_asks_as_often_for_many_channels(ours: Company):
    client = ours.client(FINANCE)

    def asked() -> int:
        with CaptureQueriesContext(database) as queries:
            assert client.get(reverse(PAGE)).status_code == 200
        return len(queries)

    asked()
    one = asked()
    for number in range(3):
        place = ConnectionFactory(entity=ours.entity)
        take(place, File(settlement_id=f"7000000000{number}"))
    assert asked() == one
    assert len({week.channel for week in trend([ours.entity.pk])}) == 4


values = st.none() | st.decimals(0, 100, places=1)


@given(st.lists(st.lists(values, min_size=7, max_size=7), min_size=1, max_size=8))
def test_every_known_figure_is_drawn_once_inside_the_frame(drawn):
    series = [Series(name=str(number), values=found) for number, found in enumerate(drawn)]
    shown = picture(title="", says="", labels=list("abcdefg"), series=series, top=Decimal(100))
    for line, each in zip(shown.lines, series, strict=True):
        points = [tuple(map(float, point.split(","))) for stretch in line.stretches for point in stretch.split()]
        points += line.dots
        assert len(points) == sum(value is not None for value in each.values)
        assert all(LEFT <= x <= RIGHT and CEILING <= y <= FLOOR for x, y in points)


def test_a_line_breaks_where_nothing_is_known():
    values = [Decimal(1), Decimal(2), None, Decimal(3), None, None, Decimal(4), Decimal(5)]
    (line,) = picture(title="", says="", labels=["w"] * 8, series=[Series(name="a", values=values)]).lines
    assert (len(line.stretches), len(line.dots)) == (2, 1)
    with pytest.raises(ValueError, match="one value for each label"):
        picture(title="", says="", labels=["w"], series=[Series(name="a", values=values)])
