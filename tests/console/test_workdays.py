"""The calendar of a company: the month with its signatures and holidays, set by operations and admins, read by all."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.core.permissions import Role
from apps.work.models import SignedCheck
from tests.console.conftest import signed_in
from tests.console.pages import Page
from tests.factories import EntityFactory, person

pytestmark = pytest.mark.django_db


def test_a_month_names_its_holidays_and_a_day_is_taken_out():
    entity = EntityFactory(country="GB", zone="Europe/London")
    kofi, elin = (signed_in(person(role, entity, email=f"{role}@example.com")) for role in (Role.OPS, Role.VIEWER))
    address = reverse("work_calendar", args=[entity.pk])
    page = kofi.get(address, {"month": "2099-12"}).content.decode()
    assert "No working days are set yet, so every day asks" in page and "Christmas Day" not in page
    assert kofi.post(address, {"weekdays": ["0", "1", "2", "3", "4"], "country": "gb"}).status_code == 302
    page = kofi.get(address, {"month": "2099-12"}).content.decode()
    assert "December 2099: no signature missed" in page and "Christmas Day" in page and "Sunday" in page
    assert "Rejected orders" in page and "Inventory variance" in page and "Payout reconciliation" not in page
    assert kofi.post(address, {"day": "2099-12-07", "works": "no", "name": "Stocktaking"}).status_code == 302
    assert "Stocktaking" in kofi.get(address, {"month": "2099-12"}).content.decode()
    past = kofi.post(address, {"day": "2020-12-07", "works": "no", "name": "Stocktaking"})
    assert past.status_code == 422 and "07.12.2020 is over" in past.content.decode()
    week = {"weekdays": ["0", "1"], "country": "gb", "subdivision": "by"}
    assert "BY is no region of GB" in kofi.post(address, week).content.decode()
    assert kofi.post(address, week | {"subdivision": "sct"}).status_code == 302
    read = elin.get(address, {"month": "2099-12"}).content.decode()
    assert "Payout reconciliation" in read and "Set the day" not in read and "can." in read and "Wednesday" in read
    assert elin.post(address, week).status_code == 403
    assert kofi.get(reverse("work_calendar", args=[EntityFactory().pk])).status_code == 404


def test_a_check_says_that_no_calendar_is_set_and_who_sets_it():
    entity = EntityFactory()
    kofi, elin = (signed_in(person(role, entity, name=name)) for role, name in ((Role.OPS, "Kofi"), (Role.VIEWER, "Elin")))
    calendar = reverse("work_calendar", args=[entity.pk])
    check = reverse("check", args=[entity.pk, "rejected-orders"])
    said = "No calendar is set: each day counts as a work day."
    page = kofi.get(check)
    assert said in page.content.decode() and Page(page).linked("Set it") == calendar
    read = elin.get(check).content.decode()
    assert said in read and "Kofi can." in read and "Set it" not in read
    kofi.post(calendar, {"weekdays": range(7), "country": ""})
    assert said not in kofi.get(check).content.decode()


def test_who_does_not_read_money_is_told_so_at_the_payouts():
    entity = EntityFactory()
    kofi, priya = (signed_in(person(role, entity, email=f"{role}@example.com")) for role in (Role.OPS, Role.FINANCE))
    address = reverse("check", args=[entity.pk, "payouts"])
    assert kofi.get(address).status_code == 403
    assert "Every payout is in the books" in priya.get(address).content.decode()


def test_a_month_costs_as_many_queries_with_every_day_signed_as_with_none():
    entity = EntityFactory()
    kofi = person(Role.OPS, entity)
    client, today = signed_in(kofi), timezone.localdate()

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(reverse("work_calendar", args=[entity.pk])).status_code == 200
        return len(queries)

    none = asked()
    for n in range(28):
        day = today.replace(day=1) + timedelta(days=n)
        SignedCheck.objects.create(entity=entity, routine="rejected-orders", day=day, slot=1, signed_by=kofi)
    assert asked() == none
