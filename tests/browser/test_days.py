"""The four days' work in a browser, on what Amazon's stand-in brought: nothing was uploaded for it."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from opsconsole.demo.browser import Login, sign_in
from opsconsole.demo.people import BRACKENFOLD, IAN, KOFI, LINDWICK, PRIYA, TOM, Company, Person
from tests.children import supervised_by

NEW_SKU = "BF-OAKTRAY-40-UK2"
SOON = 30_000  # milliseconds that background work may take


@pytest.fixture(scope="module")
def console(demo, web_server) -> Iterator[str]:
    """The console as `make run` starts it, for all of them: they work on the same day."""
    demo.renew()
    with supervised_by(demo.env, "files", "quick", "beat"):
        yield web_server


@pytest.fixture
def page_of(console, browser: Browser):
    def page_of(person: Person) -> Page:
        page = browser.new_context(base_url=console, accept_downloads=True).new_page()
        sign_in(page, Login(email=person.email))
        return page

    return page_of


def test_ecommerce_maps_a_sku_and_all_waiting_orders_are_released_once(page_of):
    tom = page_of(TOM)
    tom.get_by_role("link", name="Open the first case").click()
    heading = tom.get_by_role("heading", level=1)
    expect(heading).to_have_text(f"37 orders wait because we do not know the SKU {NEW_SKU}")
    waiting = tom.get_by_role("row").filter(has_text="Fulfilled by us").first.locator("code").inner_text()
    expect(tom.locator("#preview")).to_contain_text("37 orders are checked again, 37 are released")
    tom.get_by_role("button", name="and release 37 orders").click()
    expect(tom.locator("#release")).to_contain_text("37 of 37 released", timeout=SOON)

    tom.get_by_label("Find an order").fill(waiting)
    tom.get_by_label("Find an order").press("Enter")
    expect(tom.get_by_role("heading", level=1)).to_contain_text("released to fulfilment")
    warehouse = tom.locator("[data-sys='Warehouse']").filter(has_text="Waiting to be sent")
    expect(warehouse).to_have_count(1)


def check_of(company: Company, page: Page) -> Locator:
    """Its panel on the page of a person's day."""
    return page.get_by_role("region", name="Rejected orders").filter(has=page.get_by_text(company.name, exact=True))


def test_operations_sign_the_daily_check(page_of):
    kofi = page_of(KOFI)
    check_of(BRACKENFOLD, kofi).get_by_role("link", name="Open the check").click()
    heading = kofi.get_by_role("heading", level=1)
    expect(heading).to_contain_text("are held, refused, unreadable or late")
    expect(kofi.locator("main")).to_contain_text("A SKU has no item.")
    kofi.get_by_label("What you decided").fill("The listing of yesterday is with ecommerce")
    kofi.get_by_role("button", name="Sign with").click()
    expect(kofi.get_by_role("status")).to_contain_text("Signed:")
    kofi.locator(".day.signed").last.click()
    expect(heading).to_contain_text("Kofi Mensah signed with")
    expect(kofi.locator("main")).to_contain_text("The listing of yesterday is with ecommerce")


def test_operations_sign_that_no_order_was_rejected(page_of):
    kofi = page_of(KOFI)
    check_of(LINDWICK, kofi).get_by_role("link", name="Open the check").click()
    heading, main = kofi.get_by_role("heading", level=1), kofi.locator("main")
    expect(heading).to_have_text("No order is held, refused, unreadable or late")
    expect(main).to_contain_text("Nothing is left")
    expect(main).to_contain_text("a signed zero says that somebody looked")
    today = kofi.locator(".week td").last
    expect(today).to_have_text("Sign")
    kofi.get_by_role("button", name="Sign with zero").click()
    expect(kofi.get_by_role("status")).to_contain_text("Signed: 0 seen, 0 decided since the last one.")
    expect(kofi.get_by_role("button", name="Sign with zero")).to_have_count(0)
    expect(main).to_contain_text("Signed already.")
    expect(today).to_have_text("KM0")

    kofi.goto("/")
    check_of(LINDWICK, kofi).locator(".day.signed", has_text="KM0").click()
    expect(heading).to_have_text("Kofi Mensah signed with 0 left")
    expect(main).to_contain_text(LINDWICK.name)
    expect(main).to_contain_text("A signed zero")
    expect(main).to_contain_text("No order is held, refused, unreadable or late.")


def test_an_admin_mends_a_spreadsheet_from_its_error_column_and_imports_it(page_of, tmp_path: Path):
    ian = page_of(IAN)
    sheet = tmp_path / "items.csv"
    sheet.write_text("Item,Title,EAN\n20001,Clay vase extra large,5060712342107\n20002,Pine candle,5.06071E+12\n")

    def bring(file: Path) -> None:
        ian.goto("/imports/")
        ian.get_by_label("What it holds").select_option(label="Items")
        ian.get_by_label("Company", exact=True).select_option(label="Brackenfold Home Ltd")
        ian.get_by_label("Spreadsheet", exact=True).set_input_files(file)
        ian.get_by_role("button", name="Check it").click()

    bring(sheet)
    expect(ian.get_by_role("heading", level=1)).to_contain_text("Nothing is saved yet: 1 row is ready, 1 needs you", timeout=SOON)
    expect(ian.locator(".cell-bad")).to_contain_text("Excel")
    with ian.expect_download() as download:
        ian.get_by_role("link", name="Download the file with an Error column").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8-sig"))))
    (bad,) = [row for row in rows if any("Excel" in (cell or "") for cell in row.values())]
    assert bad["Item"].strip("'") == "20002"

    mended = tmp_path / "items mended.csv"
    mended.write_text("Item,Title,EAN\n20001,Clay vase extra large,5060712342107\n20002,Pine candle,5060712342176\n")
    bring(mended)
    ian.get_by_role("button", name="Save 2 rows").click(timeout=SOON)
    expect(ian.get_by_role("heading", level=1)).to_contain_text("2 rows of items mended.csv are saved", timeout=SOON)


def test_finance_sees_a_settlement_arrive_by_itself(page_of):
    priya = page_of(PRIYA)
    came = priya.get_by_role("row").filter(has_text="Amazon Seller Central")
    for _ in range(30):  # a worker reads what the feed has fetched
        priya.goto("/settlements/")
        if came.count():
            break
        priya.wait_for_timeout(1000)
    came.first.get_by_role("link").first.click()
    expect(priya.get_by_role("heading", level=1)).to_contain_text("ties")
    expect(priya.locator("ol.equal li")).to_have_count(5)
