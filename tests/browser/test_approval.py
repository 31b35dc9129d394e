"""Two people in a browser: an admin sets a limit, finance asks, and another one approves what the preview says."""

import pytest
from playwright.sync_api import Browser, Page, expect

from opsconsole.demo.browser import Login, sign_in
from opsconsole.demo.people import IAN, MARTA, PRIYA

FEE = "FBACustomerReturnPerUnitFee"


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_heavy_change_is_done_once_another_person_approves_it(console, browser: Browser, scripts):
    def page_of(person) -> Page:
        page = browser.new_context(base_url=console, java_script_enabled=scripts).new_page()
        sign_in(page, Login(email=person.email))
        return page

    ian, priya, marta = page_of(IAN), page_of(PRIYA), page_of(MARTA)
    ian.goto("/approvals/")
    ian.get_by_role("link", name="Limits of Brackenfold").first.click()
    ian.get_by_label("More money than").fill("100")
    ian.get_by_label("Reason").fill("The auditors ask for four eyes")
    if scripts:
        ian.keyboard.press("Tab")
    else:
        ian.get_by_role("button", name="See what it does").click()
    expect(ian.locator("#preview")).to_contain_text("more than £100.00 takes a second person")
    ian.get_by_role("button", name="Set these limits").click()
    expect(ian.get_by_role("heading", level=1)).to_contain_text("more than £100.00 takes a second person")

    priya.get_by_role("link", name="Open the first case").click()
    expect(priya.get_by_role("heading", level=1)).to_contain_text(FEE)
    form = priya.locator("#action")
    form.get_by_label("Ledger account").select_option(label="5115 Returns handling")
    form.get_by_label("Reason").fill("Returns by buyers are a cost of their own")
    if not scripts:
        priya.get_by_role("button", name="See what it does").click()
    expect(priya.locator("#preview")).to_contain_text("5115 Returns handling")
    priya.get_by_role("button", name="Ask a second person").click()
    expect(priya.get_by_role("status").first).to_contain_text("Asked.")
    expect(priya.locator("main")).to_contain_text("A change waits for a second person.")

    marta.goto("/")
    marta.get_by_role("link", name="Map the fee and rebuild").click()
    expect(marta.get_by_role("heading", level=1)).to_contain_text("Priya Nair asks: Map the fee")
    expect(marta.locator("#preview")).to_contain_text("5115 Returns handling")
    marta.get_by_role("button", name="Approve: Map the fee").click()
    expect(marta.locator("main")).to_contain_text("Approved and done by Marta Lis")
    expect(marta.get_by_role("status").first).to_contain_text("Mapped.")
