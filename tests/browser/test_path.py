"""The main job in a browser: sign in as finance, open the top case, preview, map, and the journals are complete."""

from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from opsconsole.demo.browser import Login, fill_in, sign_in
from opsconsole.demo.people import PRIYA
from opsconsole.demo.sheet import UK, Charge, Settlement, text_of
from opsconsole.demo.story import UK_4

FEE = "FBACustomerReturnPerUnitFee"
HANDLING = Charge(kind=("Order", "ItemFees", "HolidayHandlingFee"), amounts=("-0.40",) * 12, on_orders=True)
DECEMBER = Settlement(
    number="21480713419", market=UK, start=date(2026, 12, 2), orders=300, refunds=10, charges=(HANDLING,)
)


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_finance_maps_the_top_case_and_the_journals_are_complete(console, browser: Browser, scripts):
    page = browser.new_context(base_url=console, java_script_enabled=scripts).new_page()
    page.goto(f"/settlements/{UK_4.number}/")
    fill_in(page, Login(email=PRIYA.email))
    expect(page.locator(".chip", has_text="Incomplete")).to_have_count(2)

    page.goto("/")
    page.get_by_role("link", name="Open the first case").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(FEE)
    expect(page.locator(".strip")).to_contain_text("£1,275.90")

    form, preview = page.locator("#action"), page.locator("#preview")
    form.get_by_label("Ledger account").select_option(label="5115 Returns handling")
    form.get_by_label("Reason").fill("Returns by buyers are a cost of their own")
    if not scripts:
        form.get_by_role("button", name="See what it does").click()
    expect(preview).to_contain_text("5115 Returns handling")
    expect(preview).to_contain_text("nothing written")

    page.get_by_role("button", name="Map the fee and rebuild 5 journals").click()
    expect(page.get_by_role("status")).to_contain_text("Mapped. 277 lines now post to 5115.")
    expect(page.locator("main")).to_contain_text("Resolved by Priya Nair")

    page.goto(f"/settlements/{UK_4.number}/")
    expect(page.locator(".chip", has_text="Incomplete")).to_have_count(0)
    expect(page.get_by_text("No account")).to_have_count(0)
    expect(page.get_by_text("5115 Returns handling").first).to_be_visible()


def test_an_uploaded_file_waits_and_then_shows_what_was_found(console, browser: Browser, supervised, tmp_path):
    page = browser.new_context(base_url=console).new_page()
    sign_in(page, Login(email=PRIYA.email))
    page.goto("/settlements/upload/")
    file = Path(tmp_path, "december.txt")
    file.write_text(text_of(DECEMBER))
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_label("It comes from").select_option(label="amazon.co.uk")
    page.get_by_role("button", name="Upload and read it").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("waits for a worker")
    with supervised("files"):
        expect(page.get_by_role("heading", level=1)).to_contain_text(": taken", timeout=60_000)
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(page.locator(".strip")).to_contain_text("to the cent")
    expect(page.get_by_role("table").filter(has_text="Debit")).to_contain_text("Incomplete")
    expect(page.locator("main")).to_contain_text("HolidayHandlingFee")

    page.get_by_role("link", name=f"Open settlement {DECEMBER.number}").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("ties out to the cent, and 1 fee has no account")
