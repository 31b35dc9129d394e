"""A spreadsheet through the browser: brought, looked at, mended from its error column, saved, undone."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.catalog.models import Item
from apps.core.permissions import Role
from apps.imports.models import Import
from apps.integrations.jobs import run_here
from tests.console.conftest import Company, signed_in
from tests.console.pages import Page
from tests.factories import EntityFactory, person
from tests.imports.sheets import ITEMS, MUG, TOWEL, bring, cells, csv_of, save, xlsx

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def entity():
    return EntityFactory(name="Brackenfold Home Ltd")


@pytest.fixture
def ada(entity):
    return person(Role.ADMIN, entity, name="Ada Moor")


@pytest.fixture
def client(ada) -> Client:
    return signed_in(ada)


def post(client: Client, content: bytes, name: str = "items.xlsx", **values):
    asked = {"sheet": "items", "mode": "good", "file": SimpleUploadedFile(name, content)} | values
    return client.post(reverse("imports"), asked)


def body(response) -> str:
    return " ".join(response.content.decode().split())


def test_bad_rows_are_mended_from_the_error_column_and_imported(client, entity):
    assert "Nothing was imported yet" in body(client.get("/imports/"))
    bad = [*TOWEL[:4], "12 x 1", *TOWEL[5:]]
    answer = post(client, xlsx([ITEMS, MUG, bad]))
    row = Import.objects.get()
    address = reverse("import", args=[row.pk])
    assert answer["Location"] == address
    waits = body(client.get(address))
    assert "items.xlsx waits for a worker" in waits and 'hx-trigger="every 1s"' in waits
    run_here(row.job)
    page = client.get(address)
    assert Page(page).heading == "Nothing is saved yet: 1 row is ready, 1 needs you"
    words = body(page)
    assert 'data-l="E Pack" class="cell-bad wide">12 x 1<small>Expected a whole number of eaches, as 12.</small>' in words
    assert "Save 1 row" in words and "hx-trigger" not in words
    errors = client.get(Page(page).linked("Download the file with an Error column"))
    rows = cells(b"".join(errors.streaming_content), "xlsx")
    rows[2][4] = 12
    thrown = client.post(reverse("import_do", args=[row.pk, "throw-away"]), follow=True)
    assert Page(thrown).heading == "items.xlsx was thrown away"
    mended_file = xlsx(rows)
    post(client, mended_file, "items-mended.xlsx")
    mended = Import.objects.first()
    run_here(mended.job)
    mended.refresh_from_db()
    saving = client.post(reverse("import_do", args=[mended.pk, "apply"]), {"digest": mended.digest}, follow=True)
    assert "are being saved" in body(saving) or "waits for a worker" in body(saving)
    mended.refresh_from_db()
    run_here(mended.job)
    done = client.get(reverse("import", args=[mended.pk]))
    assert Page(done).heading == "2 rows of items-mended.xlsx are saved"
    assert Item.objects.get(code="BF-TOWEL-ECRU").pack == 12
    assert post(client, mended_file).status_code == 422


def test_the_same_file_again_is_refused_beside_its_field(client, entity, ada):
    content = xlsx([ITEMS, MUG])
    save(bring(entity, ada, content), ada)
    again = post(client, content)
    assert again.status_code == 422
    assert "The same file was taken on" in body(again)


def test_a_file_that_cannot_be_read_says_so_in_its_heading(client, entity, ada):
    row = bring(entity, ada, csv_of([["Item", "Titel"], ["1", "Mug"]]), name="wrong.csv")
    page = client.get(reverse("import", args=[row.pk]))
    assert Page(page).heading == "wrong.csv cannot be read"
    assert "Column B “Titel” is not known. Nearest: Title. Missing: Title." in body(page)


def test_what_was_not_shown_is_not_saved(client, entity, ada):
    row = bring(entity, ada, xlsx([ITEMS, MUG]))
    answer = client.post(reverse("import_do", args=[row.pk, "apply"]), {"digest": "older"})
    assert answer.status_code == 409
    assert "changed since you looked" in body(answer)
    assert not Item.objects.exists()


def test_undo_asks_with_a_preview(client, entity, ada):
    row = save(bring(entity, ada, xlsx([ITEMS, MUG])), ada)
    address = reverse("import", args=[row.pk])
    offered = client.get(f"{address}?do=undo")
    assert "1 item that it added goes." in body(offered)
    digest = body(offered).split('name="digest" value="')[1].split('"')[0]
    undone = client.post(reverse("import_do", args=[row.pk, "undo"]), {"digest": digest, "reason": "Wrong"}, follow=True)
    assert Page(undone).heading == "sheet.xlsx was undone"
    assert not Item.objects.exists()


def test_sheets_to_take_away(client, entity, ada):
    save(bring(entity, ada, xlsx([ITEMS, MUG])), ada)
    for format in ("xlsx", "csv"):
        taken = client.get(reverse("import_export", args=["items", format]))
        assert cells(b"".join(taken.streaming_content), format)[1][0] == "BF-MUG-0350"
        empty = cells(b"".join(client.get(reverse("import_empty", args=["items", format])).streaming_content), format)
        assert empty[0] == ITEMS and empty[1][0] == "# Example: 10733"
        assert bring(entity, ada, (xlsx if format == "xlsx" else csv_of)(empty)).rows_read == 0
    assert client.get(reverse("import_export", args=["items", "pdf"])).status_code == 404


def test_anothers_import_cannot_be_seen_or_changed(ours: Company, theirs: Company):
    client = ours.client(Role.ADMIN)
    row = theirs.imported
    for name in ("apply", "throw-away", "undo"):
        assert client.post(reverse("import_do", args=[row.pk, name])).status_code == 404
    assert client.get(f"{reverse('import_export', args=['items', 'csv'])}?company={theirs.entity.pk}").status_code == 404
    post(client, b"Item,Title\n", entity=theirs.entity.pk)
    assert list(Import.objects.filter(entity=theirs.entity)) == [row]


def test_screens_ask_as_often_for_50_rows_as_for_one(client, entity, ada):
    one_row = bring(entity, ada, csv_of([["Item", "Title"], ["A ", "x"], ["B", "y"]]))
    rows = [["Item", "Title"], *([f"A{n} ", "x"] for n in range(60)), ["B", "y"]]
    addresses = [reverse("import", args=[row.pk]) for row in (one_row, bring(entity, ada, csv_of(rows)))]
    client.get(addresses[0])
    counts = []
    for address in addresses:
        with CaptureQueriesContext(database) as asked:
            page = Page(client.get(address))
        counts.append(len(asked))
    assert counts[0] == counts[1]
    assert "52" in body(client.get(addresses[1] + page.linked("Next 50")))
    with CaptureQueriesContext(database) as few:
        client.get("/imports/")
    for n in range(30):
        Import.objects.create(
            entity=entity, sheet="items", mode="good", name=f"{n}.csv", sha256=str(n), size=1, path="-", made_by=ada
        )
    with CaptureQueriesContext(database) as many:
        client.get("/imports/")
    assert len(few) == len(many)
