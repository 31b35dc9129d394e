"""Each role's first task, by who has never seen the console: at most five clicks from the page that a login lands on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from opsconsole.demo.amazon import CREDENTIALS
from opsconsole.demo.browser import Login, sign_in
from opsconsole.demo.people import ELIN, IAN, KOFI, LINDWICK, MARTA, PRIYA, TOM, Person
from tests.children import supervised_by

MOST = 5
SOON = 60_000  # milliseconds that background work may take


class Hands:
    """Does what a mouse does, and counts it: a list that is opened and chosen from is two clicks, a field gone into is one."""

    def __init__(self, page: Page):
        self.page = page
        self.clicks = 0

    def click(self, found: Locator) -> None:
        found.click(timeout=SOON)
        self.clicks += 1

    def press(self, name: str) -> None:
        self.click(self.page.get_by_role("button", name=name))

    def follow(self, name: str) -> None:
        self.click(self.page.get_by_role("link", name=name))

    def choose(self, found: Locator, label: str) -> None:
        found.select_option(label=label)
        self.clicks += 2

    def write(self, found: Locator, text: str) -> None:
        found.fill(text)
        self.clicks += 1

    def hand_in(self, found: Locator, file: Path) -> None:
        found.set_input_files(file)
        self.clicks += 1


@pytest.fixture(scope="module")
def console(demo, web_server) -> Iterator[str]:
    demo.renew()
    with supervised_by(demo.env, "files", "quick", "beat"):
        yield web_server


@pytest.fixture
def hands_of(console, browser: Browser):
    def hands_of(person: Person) -> Hands:
        page = browser.new_context(base_url=console).new_page()
        sign_in(page, Login(email=person.email))
        return Hands(page)

    return hands_of


def test_finance_maps_a_fee(hands_of):
    priya = hands_of(PRIYA)
    priya.follow("Open the first case")
    form = priya.page.locator("#action")
    priya.choose(form.get_by_label("Ledger account"), "5115 Returns handling")
    priya.write(form.get_by_label("Reason"), "Returns by buyers are a cost of their own")
    expect(priya.page.locator("#preview")).to_contain_text("5115 Returns handling")
    priya.press("Map the fee and rebuild")
    expect(priya.page.locator("main")).to_contain_text("lines now post to 5115.")
    assert priya.clicks <= MOST


def test_the_second_of_finance_approves_a_journal(hands_of):
    marta = hands_of(MARTA)
    marta.click(marta.page.get_by_role("link", name="Journals", exact=True))
    marta.click(marta.page.get_by_role("row").filter(has_text="Draft").get_by_role("link").first)
    marta.press("Approve")
    expect(marta.page.get_by_role("heading", level=1)).to_contain_text("is approved")
    assert marta.clicks <= MOST


def test_ecommerce_maps_a_sku(hands_of):
    tom = hands_of(TOM)
    tom.follow("Open the first case")
    tom.press("and release 37 orders")
    expect(tom.page.locator("main")).to_contain_text("37 of 37 released", timeout=SOON)
    assert tom.clicks <= MOST


def test_operations_sign_the_daily_check(hands_of):
    kofi = hands_of(KOFI)
    kofi.click(kofi.page.get_by_role("link", name="Open the check").first)
    kofi.press("Sign with")
    expect(kofi.page.get_by_role("status").first).to_contain_text("Signed:")
    assert kofi.clicks <= MOST


def test_an_admin_imports_a_spreadsheet(hands_of, tmp_path: Path):
    sheet = tmp_path / "items.csv"
    sheet.write_text("Item,Title,EAN\n20001,Clay vase extra large,5060712342107\n")
    ian = hands_of(IAN)
    ian.follow("Imports")
    ian.follow("Bring it as Items")
    ian.hand_in(ian.page.get_by_label("Spreadsheet", exact=True), sheet)
    ian.press("Check it")
    ian.press("Save 1 row")
    expect(ian.page.get_by_role("heading", level=1)).to_contain_text("1 row of items.csv is saved", timeout=SOON)
    assert ian.clicks <= MOST


def test_an_admin_connects_an_amazon_account(hands_of):
    """Of Lindwick, which has none: a name and its country's marketplace stand there, and the first field is begun."""
    ian = hands_of(IAN)
    ian.click(ian.page.get_by_role("link", name="Connect it"))
    expect(ian.page.get_by_label("Seller id")).to_be_focused()
    ian.page.keyboard.type("A2LINDWICK7")
    ian.write(ian.page.get_by_label("Client id"), CREDENTIALS["client_id"])
    ian.write(ian.page.get_by_label("Client secret"), CREDENTIALS["client_secret"])
    ian.write(ian.page.get_by_label("Refresh token"), CREDENTIALS["refresh_token"])
    ian.press("Connect and check it")
    expect(ian.page.locator("#notices")).to_contain_text("Amazon is connected, and is being checked.")
    expect(ian.page.locator(".lede").first).to_contain_text(f"A2LINDWICK7, {LINDWICK.name}. Germany.")
    assert ian.clicks <= MOST


def test_a_viewer_finds_the_proof_of_a_settlement(hands_of):
    elin = hands_of(ELIN)
    elin.click(elin.page.locator("main table.settlements").get_by_role("link").first)
    expect(elin.page.locator("ol.equal li")).to_have_count(5)
    assert elin.clicks <= MOST
