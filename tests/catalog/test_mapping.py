"""Which item a listing is on which day, as people say, change and take it back."""

import threading
from datetime import date

import pytest
from django.db import IntegrityError, connection, connections, transaction

from apps.catalog.bulk import undo_mappings
from apps.catalog.models import RefusedCandidate, SkuMapping
from apps.catalog.operations import (
    change_mapping,
    keep_mapping,
    map_sku,
    undo_mapping,
)
from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from tests.catalog.mappings import item_of
from tests.factories import ItemFactory, person
from tests.integrations.threads import in_thread
from tests.polling import eventually

NOV_1, NOV_10, NOV_20, DEC_1 = date(2026, 11, 1), date(2026, 11, 10), date(2026, 11, 20), date(2026, 12, 1)


@pytest.fixture
def say(listing, tom):
    """Map the listing to an item from a day on."""

    def mapped(item, since, verb=map_sku, units=1):
        return verb(listing=listing, parts=[(item, units)], since=since, reason="New listing", actor=tom)

    return mapped


def codes(listing, *days) -> list[str]:
    return ["+".join(f"{quantity}x{item.code}" for item, quantity in item_of(listing, day)) for day in days]


@pytest.mark.django_db
def test_a_mapping_holds_from_its_day_on(say, listing, tray):
    say(tray, NOV_10, units=2)
    assert codes(listing, NOV_1, NOV_10, DEC_1) == ["", "2x10482", "2x10482"]
    entry = AuditEntry.objects.about(f"listing:{listing.pk}").get()
    assert (entry.verb, entry.actor_name, entry.reason) == ("sku.mapped", "Tom Ashworth", "New listing")
    assert entry.after["is"] == "2 × 10482"


@pytest.mark.django_db
def test_a_bundle_is_several_items(listing, tom, tray, pair):
    map_sku(listing=listing, parts=[(tray, 1), (pair, 3)], since=NOV_1, reason="Set", actor=tom)
    assert codes(listing, NOV_10) == ["1x10482+3x10483"]


@pytest.mark.django_db
def test_a_mapping_for_earlier_days_ends_where_the_one_that_is_there_begins(say, listing, tray, pair):
    say(tray, NOV_10)
    say(pair, NOV_1)
    assert codes(listing, NOV_1, NOV_10) == ["1x10483", "1x10482"]


@pytest.mark.django_db
def test_a_change_ends_what_was_and_undoing_it_brings_that_back(say, listing, tom, tray, pair):
    say(tray, NOV_1)
    later = say(pair, NOV_10, verb=change_mapping)
    assert codes(listing, NOV_1, NOV_10, NOV_20) == ["1x10482", "1x10483", "1x10483"]
    undo_mapping(mapping=later, reason="Mistake", actor=tom)
    assert codes(listing, NOV_1, NOV_10, NOV_20) == ["1x10482"] * 3
    undo_mapping(mapping=SkuMapping.objects.in_force().get(), reason="Mistake", actor=tom)
    assert codes(listing, NOV_1, NOV_20) == ["", ""]
    assert AuditEntry.objects.filter(verb="sku.undone").count() == 2


@pytest.mark.django_db
def test_a_change_from_the_first_day_takes_the_whole_place_and_can_be_undone(say, listing, tom, tray, pair):
    say(tray, NOV_1)
    instead = say(pair, NOV_1, verb=change_mapping)
    assert codes(listing, NOV_1, DEC_1) == ["1x10483"] * 2
    undo_mapping(mapping=instead, reason="Mistake", actor=tom)
    assert codes(listing, NOV_1, DEC_1) == ["1x10482"] * 2


@pytest.mark.django_db
def test_a_mapping_that_holds_no_day_cannot_be_undone_again(say, tom, tray):
    mapping = say(tray, NOV_1)
    undo_mapping(mapping=mapping, reason="Mistake", actor=tom)
    with pytest.raises(Refused, match="holds on no day"):
        undo_mapping(mapping=mapping, reason="Mistake", actor=tom)


@pytest.mark.django_db(transaction=True)
def test_a_second_item_is_refused_with_both_named_and_kept_even_where_the_caller_rolls_back(say, listing, tray, pair):
    say(tray, NOV_1)
    with pytest.raises(Refused) as refused, transaction.atomic():
        say(pair, NOV_10, units=2)
    assert refused.value.code == "ambiguous"
    assert "is 10482 from 1 Nov 2026 on" in refused.value.words
    assert "2 × 10483" in refused.value.words
    candidate = RefusedCandidate.objects.get()
    assert (candidate.listing, candidate.words, candidate.since) == (listing, "2 × 10483", NOV_10)
    assert [(part.item, part.quantity) for part in candidate.parts.all()] == [(pair, 2)]
    assert codes(listing, NOV_10) == ["1x10482"]
    assert AuditEntry.objects.filter(verb="sku.refused").count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_candidate_is_kept_once_until_it_is_decided(say, listing, tom, tray, pair):
    say(tray, NOV_1)
    for _ in range(3):
        with pytest.raises(Refused):
            say(pair, NOV_10)
    assert RefusedCandidate.objects.count() == 1
    assert keep_mapping(listing=listing, reason="The tray is right", actor=tom) == 1
    assert not RefusedCandidate.objects.filter(settled_at=None).exists()
    with pytest.raises(Refused, match="Nothing waits"):
        keep_mapping(listing=listing, reason="Again", actor=tom)
    with pytest.raises(Refused):
        say(pair, NOV_10)
    assert RefusedCandidate.objects.filter(settled_at=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_changing_to_the_candidate_decides_for_it(say, listing, tray, pair):
    say(tray, NOV_1)
    with pytest.raises(Refused):
        say(pair, NOV_10)
    say(pair, NOV_20, verb=change_mapping)
    assert not RefusedCandidate.objects.filter(settled_at=None).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("verb", [map_sku, change_mapping])
def test_saying_what_is_said_already_is_refused_and_no_candidate(verb, say, tray):
    say(tray, NOV_1)
    with pytest.raises(Refused, match="already") as refused:
        say(tray, NOV_10, verb=verb)
    assert refused.value.code == "same"
    assert not RefusedCandidate.objects.exists()


@pytest.mark.django_db
def test_what_cannot_be_mapped_is_refused_in_words(say, listing, tom, tray):
    def refusal(parts):
        with pytest.raises(Refused) as refused:
            map_sku(listing=listing, parts=parts, since=NOV_1, reason="", actor=tom)
        return refused.value.words

    assert "Choose the item" in refusal([])
    assert "another company" in refusal([(ItemFactory(), 1)])
    assert "no longer sold" in refusal([(ItemFactory(entity=tray.entity, active=False), 1)])
    assert "there twice" in refusal([(tray, 1), (tray, 2)])
    assert "Expected a whole number from 1" in refusal([(tray, 0)])
    with pytest.raises(Refused, match="no mapping on 1 Nov 2026"):
        say(tray, NOV_1, verb=change_mapping)
    assert not SkuMapping.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.FINANCE, Role.OPS, Role.ADMIN, Role.VIEWER])
def test_only_ecommerce_maps(role, say, listing, tray, entity):
    mapping = say(tray, NOV_1)
    other = person(role, entity)
    with pytest.raises(NotAllowed, match="Ecommerce can"):
        map_sku(listing=listing, parts=[(tray, 1)], since=NOV_1, reason="", actor=other)
    with pytest.raises(NotAllowed, match="Ecommerce can"):
        undo_mapping(mapping=mapping, reason="", actor=other)


@pytest.mark.django_db
def test_the_database_keeps_two_mappings_of_a_listing_apart(say, listing, tom, tray):
    say(tray, NOV_1)
    insert = """INSERT INTO catalog_skumapping (listing_id, period, source, reason, made_by_id)
                VALUES (%s, %s, 'person', '', %s)"""
    with connection.cursor() as cursor:
        with pytest.raises(IntegrityError, match="one_mapping_per_listing_at_a_time"), transaction.atomic():
            cursor.execute(insert, [listing.pk, "[2026-11-20,)", tom.pk])
        cursor.execute(insert, [listing.pk, "[2026-10-01,2026-11-01)", tom.pk])


@pytest.mark.django_db(transaction=True)
def test_of_two_people_at_once_one_maps_and_the_other_hears_of_it(listing, tom, tray, pair):
    start = threading.Barrier(2)
    outcomes = []

    def mapped(item):
        try:
            start.wait(20)
            map_sku(listing=listing, parts=[(item, 1)], since=NOV_1, reason="", actor=tom)
            outcomes.append("mapped")
        except Refused as refused:
            outcomes.append(refused.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=mapped, args=[item]) for item in (tray, pair)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["ambiguous", "mapped"]
    assert SkuMapping.objects.in_force().count() == 1
    assert {*codes(listing, NOV_1), *(f"1x{row.words}" for row in RefusedCandidate.objects.all())} == {
        "1x10482",
        "1x10483",
    }


@pytest.mark.django_db(transaction=True)
def test_a_bulk_undo_looks_once_nobody_else_is_at_the_listing(say, listing, tray, pair, entity, tom):
    mapping = say(tray, NOV_1)
    said = []

    def undo() -> None:
        try:
            undo_mappings(entity=entity, mappings=[mapping.pk], reason="The wrong file", actor=tom)
        except Refused as refused:
            said.append(refused.words)

    with transaction.atomic():
        say(pair, NOV_10, verb=change_mapping)
        undoing = in_thread(lambda: transaction.atomic(undo)())
        eventually(_somebody_waits_for_us, "the undo waits")
    undoing.join(30)
    assert said == ["Some of these mappings were changed or undone since."]
    assert codes(listing, NOV_1, NOV_10) == ["1x10482", "1x10483"]


def _somebody_waits_for_us() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))")
        return cursor.fetchone()[0]
