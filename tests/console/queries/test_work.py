"""Checks that are signed each week, and notes between shifts, ask the database as often for 50 rows as for one."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.core.permissions import Role
from apps.integrations.models import Connection
from apps.work.models import ShiftNote, SignedCheck
from tests.console.queries.asked import asked_for, check_same_for_50
from tests.console.queries.rows import a_case, a_held_case, a_job, a_level, a_settlement, a_shift_note
from tests.factories import person

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("routine", "make"), [("inventory-variance", a_level), ("payouts", a_settlement)])
def test_a_weekly_check_costs_no_query_for_each_row(routine: str, make, client: Client, place: Connection):
    address = reverse("check", args=[place.entity_id, routine])
    check_same_for_50(client, address, lambda: make(place))
    assert client.get(address).content.decode().count("data-row>") == 50


@pytest.mark.parametrize("routine", ["inventory-variance", "payouts"])
def test_a_signed_check_costs_no_query_for_each_row(routine: str, client: Client, place: Connection, marta):
    kind = {"inventory-variance": "apart", "payouts": "draft"}[routine]
    entry = {"subject": "x", "label": "x", "kind": kind, "why": "So.", "amount": "", "due": "", "held_by": ""}
    asked = []
    for slot, count in ((1, 1), (2, 50)):
        check = SignedCheck.objects.create(
            entity=place.entity, routine=routine, day=timezone.localdate(), slot=slot, signed_by=marta, seen=[entry] * count
        )
        asked.append(len(asked_for(client, reverse("signed_check", args=[check.pk]))))
    assert asked[0] == asked[1]


def test_the_list_of_shift_notes_costs_no_query_for_each(client: Client, place: Connection):
    check_same_for_50(client, "/shifts/", lambda: a_shift_note(place))


def test_ending_a_shift_costs_no_query_for_each_case(client: Client, place: Connection, marta):
    person(Role.FINANCE, place.entity)
    address = reverse("end_shift", args=[place.entity_id, "finance"])

    def make() -> None:
        a_case(place, assigned_to=marta)
        a_held_case(place)
        a_case(place, state="snoozed", snoozed_until=timezone.now() + timedelta(days=1))

    check_same_for_50(client, address, make)
    assert client.get(address).content.decode().count("<select") == 51  # 50 cases, and to whom


def test_a_note_costs_no_query_for_each_that_it_carries(client: Client, place: Connection):
    """On its own page, on today and beside the queue."""
    a_job(place)
    priya, now = person(Role.FINANCE, place.entity), timezone.now()
    said = {"entity": place.entity, "team": "finance", "written_by": priya, "written_at": now, "since": now - timedelta(hours=8)}
    note = ShiftNote.objects.create(**said)

    def carry() -> None:
        ShiftNote.objects.create(**said, state="carried", carried_by=note)

    carry()
    pages = [reverse("shift", args=[note.pk]), "/", "/queue/finance/"]
    one = [len(asked_for(client, page)) for page in pages]
    for _ in range(49):
        carry()
    assert [len(asked_for(client, page)) for page in pages] == one
