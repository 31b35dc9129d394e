"""A sheet of items from upload to undo: what a person is told at each step, and what is there afterwards."""

import re

import pytest

from apps.catalog.models import Item, MappingPart, SkuMapping
from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.imports.importable import SHEETS
from apps.imports.models import Import
from apps.imports.operations import begin_apply, preview_undo, throw_away, undo
from apps.imports.writing import export, with_errors
from apps.integrations.jobs import run_here
from tests.factories import ConnectionFactory, EntityFactory, person
from tests.imports.sheets import ITEMS, MUG, TOWEL, bring, cells, csv_of, faults, outcomes, save, xlsx

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def entity():
    return EntityFactory(name="Brackenfold Home Ltd")


@pytest.fixture
def ada(entity):
    return person(Role.ADMIN, entity, name="Ada Moor")


def changed(row: list, **columns) -> list:
    return [columns.get(name, value) for name, value in zip(ITEMS, row, strict=True)]


@pytest.mark.parametrize("write", [xlsx, csv_of])
def test_new_rows_are_shown_then_saved_once(entity, ada, write):
    content = write([ITEMS, MUG, TOWEL])
    row = bring(entity, ada, content)
    assert (row.state, row.added, row.rows_read) == ("ready", 2, 2)
    assert not Item.objects.exists()
    save(row, ada)
    mug = Item.objects.get(code="BF-MUG-0350")
    assert (mug.ean, mug.pack, mug.price, mug.currency, mug.active) == ("5060712350102", 1, 12.5, "GBP", True)
    assert AuditEntry.objects.get(verb="import.applied").after["added"] == 2
    with pytest.raises(Refused, match=r"same file was taken on .* by Ada Moor"):
        bring(entity, ada, content)
    again = bring(entity, ada, write([ITEMS, TOWEL, MUG]))
    assert (again.same, again.good) == (2, 0)


def test_a_change_shows_old_and_new_and_leaves_missing_columns_alone(entity, ada):
    save(bring(entity, ada, xlsx([ITEMS, MUG])), ada)
    row = bring(entity, ada, xlsx([["item", " Title "], ["BF-MUG-0350", "Mug, stoneware"]]))
    assert row.rows.get().changes == {"title": ["Stoneware mug, 350 ml", "Mug, stoneware"]}
    save(row, ada)
    assert Item.objects.values_list("title", "ean", "price").get() == ("Mug, stoneware", "5060712350102", 12.5)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("EAN", 5.06071e12, "Excel shortened it|Excel may have shortened it"),
        ("EAN", "5.06071E+12", "Excel shortened it. Expected 8 or 12 or 13 or 14 digits, kept as text."),
        ("EAN", 60712350102, "11 digits.*Excel drops zeros in front"),
        ("EAN", "506071235O102", "Expected 8 or 12 or 13 or 14 digits"),
        ("Item", "1E+12", "Excel shortened it"),
        ("Item", "BF-MUG ", "A space at the end"),
        ("Item", " BF-MUG", "A space at the beginning"),
        ("Item", "BF-\u00a0MUG", "Character 4 is a non-breaking space"),
        ("Item", "BF-\u200bMUG", "Character 4 cannot be seen"),
        ("Item", "BF-ОAKTRAY-30", "Character 4 is a Cyrillic О. Expected a Latin O."),
        ("Item", "", "Empty. Expected a value."),
        ("Item", 12.5, "A number with decimals"),
        ("Item", "#N/A", "Excel's own error"),
        ("Title", "", "Empty"),
        ("Title", "x" * 251, "251 characters. Expected 250 at most."),
        ("Title", "=1+1", "A formula"),
        ("Pack", "12 x 1", "Expected a whole number of eaches, as 12."),
        ("Pack", 0, "Expected a whole number of eaches, 1 to"),
        ("Pack", "", "Empty"),
        ("Price", "1,250.00", "Expected an amount with a point"),
        ("Price", "12.505", "More decimals than GBP has"),
        ("Price", "£12.50", "Expected an amount"),
        ("Currency", "GPB", "Nearest: GBP"),
        ("Currency", "", "A price without its currency"),
        ("Active", "perhaps", "Expected yes or no"),
    ],
)
def test_a_bad_cell_says_where_it_is_and_what_was_expected(entity, ada, column, value, words):
    row = bring(entity, ada, xlsx([ITEMS, TOWEL, changed(MUG, **{column: value})]))
    assert outcomes(row) == {2: "added", 3: "bad"}
    ((place, said),) = faults(row)[3]
    assert ITEMS[place] == column
    assert re.search(words, said), said


def test_zeros_that_excel_dropped_are_known_from_what_is_there(entity, ada):
    save(bring(entity, ada, csv_of([ITEMS, changed(MUG, Item="010733")])), ada)
    row = bring(entity, ada, xlsx([["Item", "Title"], [10733, "Mug"]]))
    assert faults(row)[2] == [[0, "Excel dropped the zeros in front: 010733 is there. Expected it kept as text."]]


def test_two_rows_for_one_key_are_both_left_to_a_person(entity, ada):
    other = changed(MUG, Title="Mug, blue")
    row = bring(entity, ada, xlsx([ITEMS, MUG, TOWEL, other, TOWEL]))
    assert outcomes(row) == {2: "conflict", 3: "added", 4: "conflict", 5: "same"}
    assert faults(row)[2] == [[0, "Row 4 gives another answer for the same key. Keep one."]]
    save(row, ada)
    assert [item.code for item in Item.objects.all()] == ["BF-TOWEL-ECRU"]


def test_all_or_none_saves_nothing_while_a_row_needs_you(entity, ada):
    row = bring(entity, ada, xlsx([ITEMS, TOWEL, changed(MUG, Pack="x")]), mode="all")
    with pytest.raises(Refused, match="all rows or none, and 1 of them need you"):
        begin_apply(row=row, digest=row.digest, keep_conflicts=False, actor=ada)
    assert not Item.objects.exists()


@pytest.mark.parametrize("write", [xlsx, csv_of])
def test_the_file_comes_back_with_an_error_column_and_is_mended_from_it(entity, ada, write):
    bad = changed(MUG, Title="+SUM(A1)", Pack="12 x 1")
    row = bring(entity, ada, write([ITEMS, TOWEL, bad]), name="items")
    returned = cells(with_errors(row).read(), row.format)
    assert returned[0] == [*ITEMS, "Error"]
    assert returned[2][-1] == "E: Expected a whole number of eaches, as 12."
    assert returned[2][1] == "'+SUM(A1)"
    returned[2][4] = "12"
    mended = bring(entity, ada, write(returned))
    assert outcomes(mended) == {2: "added", 3: "added"}
    save(mended, ada)
    assert Item.objects.get(pack=12).title == "+SUM(A1)"


def test_a_quoted_value_comes_back_with_the_quote_that_it_had(entity, ada):
    row = bring(entity, ada, csv_of([ITEMS, changed(MUG, Title="'+SUM(A1)", Pack="12 x 1")]), name="items.csv")
    assert cells(with_errors(row).read(), "csv")[1][1] == "'+SUM(A1)"


def test_what_changed_since_the_preview_is_shown_anew_and_not_saved(entity, ada):
    row = bring(entity, ada, xlsx([ITEMS, MUG]))
    begun = begin_apply(row=row, digest=row.digest, keep_conflicts=False, actor=ada)
    Item.objects.create(entity=entity, code="BF-MUG-0350", title="Mug", pack=2)
    run_here(begun.job)
    row.refresh_from_db()
    assert (row.state, row.added, row.changed) == ("ready", 0, 1)
    assert "changed since you looked" in row.words
    assert Item.objects.get().pack == 2
    save(row, ada)
    assert Item.objects.get().pack == 1


def test_undo_takes_back_what_was_added_and_changed(entity, ada):
    save(bring(entity, ada, xlsx([ITEMS, MUG])), ada)
    before = Item.objects.values().get()
    content = xlsx([ITEMS, changed(MUG, Title="Mug", Price="", Pack=6), TOWEL])
    row = save(bring(entity, ada, content), ada)
    plan = preview_undo(row)
    assert plan.says == "1 item that it added goes. 1 item gets back what was there before."
    undo(row=row, reason="The wrong file", actor=ada)
    assert Item.objects.values().get() == before
    row.refresh_from_db()
    assert row.state == "undone"
    assert AuditEntry.objects.get(verb="import.undone").reason == "The wrong file"
    assert bring(entity, ada, content).good == 2


def test_undo_brings_back_a_value_that_looks_like_a_formula(entity, ada):
    Item.objects.create(entity=entity, code="BF-MUG-0350", title="=1+1 mugs")
    row = save(bring(entity, ada, xlsx([["Item", "Title"], ["BF-MUG-0350", "Two mugs"]])), ada)
    undo(row=row, reason="The wrong file", actor=ada)
    assert Item.objects.get().title == "=1+1 mugs"


def test_undo_is_refused_where_later_work_builds_on_it(entity, ada):
    row = save(bring(entity, ada, xlsx([ITEMS, MUG])), ada)
    listing = ConnectionFactory(entity=entity).listings.create(marketplace="A1F83G8C2ARO7P", sku="MUG")
    mapping = SkuMapping.objects.create(listing=listing, period=("2026-11-01", None), source="person", made_by=ada)
    MappingPart.objects.create(mapping=mapping, item=Item.objects.get())
    with pytest.raises(Refused, match="BF-MUG-0350, which it added, has SKUs mapped to it"):
        preview_undo(row)
    later = save(bring(entity, ada, xlsx([ITEMS, changed(MUG, Title="Mug")])), ada)
    save(bring(entity, ada, xlsx([ITEMS, changed(MUG, Title="Cup")])), ada)
    with pytest.raises(Refused, match="BF-MUG-0350 was changed again since"):
        undo(row=later, reason="", actor=ada)


def test_thrown_away_saves_nothing(entity, ada):
    row = throw_away(row=bring(entity, ada, xlsx([ITEMS, MUG])), actor=ada)
    with pytest.raises(Refused, match="thrown away"):
        begin_apply(row=row, digest=row.digest, keep_conflicts=False, actor=ada)
    assert not Item.objects.exists()


@pytest.mark.parametrize("format", ["xlsx", "csv"])
def test_export_edit_import_is_a_no_op(entity, ada, format):
    titles = ["=cmd", "'quoted", "'=both", "-5 °C, “cold”", "two\nlines; a, b"]
    Item.objects.bulk_create(
        Item(entity=entity, code=f"00{n}", title=title, price="12.5000", currency="GBP", ean="05060712350102"[n % 2 :])
        for n, title in enumerate(titles)
    )
    Item.objects.create(entity=entity, code="BF-ОAK ", title="known as it is", active=False)
    content = export(SHEETS["items"], entity, format).read()
    row = bring(entity, ada, content, name=f"items.{format}")
    assert (row.same, row.rows_read) == (6, 6), faults(row)
    if format == "xlsx":
        assert cells(content, format)[1][0] == "000"


def test_who_may_bring_items(entity, ada):
    with pytest.raises(NotAllowed, match="cannot import items"):
        bring(entity, person(Role.FINANCE, entity), xlsx([ITEMS, MUG]))
    assert not Import.objects.exists()
