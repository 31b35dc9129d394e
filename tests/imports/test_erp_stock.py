"""A sheet of the ERP's stock: counts with their time, an older one never wins, undone as one."""

from datetime import UTC, datetime

import pytest

from apps.core.errors import Refused
from apps.core.permissions import Role
from apps.imports.importable import SHEETS
from apps.imports.operations import preview_undo, undo
from apps.imports.writing import export
from apps.inventory.models import ErpStock
from tests.factories import EntityFactory, ItemFactory, person
from tests.imports.sheets import bring, faults, outcomes, save, xlsx

pytestmark = pytest.mark.django_db(transaction=True)
HEADER = ["Item", "Place", "On hand", "Counted at"]


@pytest.fixture
def entity():
    found = EntityFactory(name="Brackenfold Home Ltd")
    ItemFactory(entity=found, code="10733")
    ItemFactory(entity=found, code="10734")
    return found


@pytest.fixture
def tom(entity):
    return person(Role.ECOMMERCE, entity, name="Tom Ashworth")


def now(entity) -> dict:
    return {(row.item.code, row.node): row.on_hand for row in ErpStock.objects.newest(entity).select_related("item")}


def test_counts_are_taken_replaced_by_later_ones_and_given_back(entity, tom):
    first = [HEADER, ["10733", "FBA-UK", 120, "2026-07-01 18:00"], ["10734", "FBA-UK", -2, "2026-07-01 18:00"]]
    save(bring(entity, tom, xlsx(first), sheet="erp-stock"), tom)
    assert now(entity) == {("10733", "FBA-UK"): 120, ("10734", "FBA-UK"): -2}
    assert {row.as_of for row in ErpStock.objects.all()} == {datetime(2026, 7, 1, 17, 0, tzinfo=UTC)}
    second = [HEADER, ["10733", "FBA-UK", 90, "2026-08-01"], ["10734", "FBA-UK", 5, "2026-06-01 18:00"]]
    row = bring(entity, tom, xlsx(second), sheet="erp-stock")
    assert outcomes(row) == {2: "changed", 3: "conflict"}
    assert faults(row)[3] == [[3, "There is a later count, -2 at 2026-07-01 18:00:00. That one holds."]]
    save(row, tom)
    assert now(entity)["10733", "FBA-UK"] == 90
    undo(row=row, reason="Wrong", actor=tom)
    assert now(entity) == {("10733", "FBA-UK"): 120, ("10734", "FBA-UK"): -2}


def test_items_that_the_erp_counts_stay(entity, tom):
    row = save(bring(entity, tom, xlsx([["Item", "Title"], ["10799", "Vase"]])), tom)
    save(bring(entity, tom, xlsx([HEADER, ["10799", "FBA-UK", 4, "2026-07-01"]]), sheet="erp-stock"), tom)
    with pytest.raises(Refused, match="10799, which it added, is counted by the ERP"):
        preview_undo(row)


def test_a_time_with_a_zone_is_refused_and_never_taken_for_the_companys(entity, tom):
    row = bring(entity, tom, xlsx([HEADER, ["10733", "FBA-UK", 1, "2026-07-01T18:00+02:00"]]), sheet="erp-stock")
    assert faults(row)[2] == [[3, "It names a time zone. Expected the company's own time without one, as 2026-11-20 18:00."]]


def test_unknown_items_and_future_counts_are_bad(entity, tom):
    rows = [HEADER, ["10735", "FBA-UK", 1, "2026-07-01"], ["10733", "FBA-UK", 1, "2126-07-01"], ["10733", "X", "1.5", "today"]]
    row = bring(entity, tom, xlsx(rows), sheet="erp-stock")
    assert outcomes(row) == dict.fromkeys((2, 3, 4), "bad")
    assert faults(row)[2][0][1].startswith("Not an item here. Nearest: 1073")
    assert [words for _, words in faults(row)[4]] == [
        "Expected a whole number of eaches, as 12.",
        "Expected a day and time, as 2026-11-20 18:00.",
    ]


@pytest.mark.parametrize("format", ["xlsx", "csv"])
def test_export_edit_import_is_a_no_op(entity, tom, format):
    at = datetime(2026, 8, 1, 9, 30, 1, 250000, tzinfo=UTC)
    item = entity.items.get(code="10733")
    ErpStock.objects.create(entity=entity, item=item, node="-A", on_hand=-3, as_of=at, source="import:0")
    row = bring(entity, tom, export(SHEETS["erp-stock"], entity, format).read(), sheet="erp-stock")
    assert (row.same, row.rows_read) == (1, 1), faults(row)
