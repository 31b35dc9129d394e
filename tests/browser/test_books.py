"""The way out of the door in a browser: map, approve as another person, export, download again, change the mapping, export

the journal of the difference.
"""

import pytest
from playwright.sync_api import Browser, Page, expect

from opsconsole.demo.browser import Login, sign_in
from opsconsole.demo.people import MARTA, PRIYA
from opsconsole.demo.story import UK_4

FEE = "FBACustomerReturnPerUnitFee"
OCTOBER, NOVEMBER, CORRECTION = (f"stl:{UK_4.number}:{month}" for month in ("202610:1", "202611:1", "202610:2"))


def tick(page: Page, state: str, *keys: str) -> None:
    page.goto(f"/journals/?state={state}")
    for key in keys:
        page.get_by_role("row").filter(has_text=key).get_by_role("checkbox").check()


def press(page: Page, effect: str, scripts: bool, shows: str) -> None:
    """Wait for the preview of what was chosen, then do what it says."""
    if not scripts:
        page.get_by_role("button", name="See what it does").click()
    expect(page.locator("#preview")).to_contain_text(shows)
    page.get_by_role("button", name=effect).click()


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_journals_leave_once_and_what_changes_afterwards_leaves_as_the_difference(console, browser: Browser, scripts):
    def page_of(person) -> Page:
        page = browser.new_context(base_url=console, java_script_enabled=scripts).new_page()
        sign_in(page, Login(email=person.email))
        return page

    priya, marta = page_of(PRIYA), page_of(MARTA)
    priya.get_by_role("link", name="Open the first case").click()
    expect(priya.get_by_role("heading", level=1)).to_contain_text(FEE)
    form = priya.locator("#action")
    form.get_by_label("Ledger account").select_option(label="5115 Returns handling")
    form.get_by_label("Reason").fill("Returns by buyers are a cost of their own")
    press(priya, "Map the fee and rebuild 5 journals", scripts, shows="5115 Returns handling")
    expect(priya.get_by_role("status")).to_contain_text("Mapped.")

    tick(priya, "draft", OCTOBER)
    priya.get_by_role("button", name="Approve ticked").click()
    expect(priya.locator("main")).to_contain_text("Another person approves it")

    tick(marta, "draft", OCTOBER, NOVEMBER)
    marta.get_by_role("button", name="Approve ticked").click()
    expect(marta.get_by_role("heading", level=1)).to_have_text("2 of 2 journals can be approved")
    marta.get_by_role("button", name="Approve 2 journals").click()
    expect(marta.get_by_role("status")).to_contain_text("Approved.")

    tick(marta, "approved", OCTOBER, NOVEMBER)
    marta.get_by_role("button", name="Export ticked").click()
    marta.get_by_label("Format").select_option(label="Xero manual journals")
    press(marta, "Export 2 journals as batch 2", scripts, shows="*Narration")
    expect(marta.get_by_role("heading", level=1)).to_have_text("2 journals left in batch 2")

    downloads = []
    for page in (marta, priya):
        page.goto("/exports/")
        page.get_by_role("link", name="Batch 2").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download opsconsole-xero-0002.csv").click()
        downloads.append(download.value.path().read_bytes())
    assert downloads[0] == downloads[1]
    assert downloads[0].startswith(b"*Narration,*Date,")
    priya.reload()
    expect(priya.locator("main")).to_contain_text("exported by Marta Lis")
    expect(priya.locator("main")).to_contain_text("2 times by 2 people, last by Priya Nair")

    priya.goto(f"/mapping/?show=rules&text={FEE}")
    priya.locator("[data-row] a").first.click()
    form = priya.locator("#deed")
    form.get_by_label("Ledger account").select_option(label="5110 FBA fees")
    form.get_by_label("Reason").fill("The auditor wants one line for FBA")
    press(priya, "write 2 corrections", scripts, shows=f"becomes {CORRECTION}, posted in October 2026")
    expect(priya.get_by_role("status")).to_be_visible()

    marta.goto("/journals/?state=draft")
    marta.get_by_role("link", name=CORRECTION).click()
    expect(marta.locator("main")).to_contain_text(f"Books only the difference to {OCTOBER}")
    table = marta.get_by_role("region", name="Journal lines", exact=True)
    expect(table.locator("tr.line")).to_have_count(2)
    expect(table).to_contain_text("5110 FBA fees")
    expect(table).to_contain_text("5115 Returns handling")
    marta.get_by_role("button", name="Approve").click()
    expect(marta.get_by_role("heading", level=1)).to_contain_text("is approved")
    marta.get_by_role("link", name="Export…").click()
    marta.get_by_label("Format").select_option(label="Generic CSV")
    press(marta, "Export the October 2026 journal as batch 3", scripts, shows="journal,settlement,period")
    expect(marta.locator("main")).to_contain_text(CORRECTION)
    expect(marta.locator("main")).to_contain_text(f"Corrects {OCTOBER}")
    marta.goto(f"/settlements/{UK_4.number}/")
    expect(marta.locator("main")).to_contain_text("ties out to the cent")
