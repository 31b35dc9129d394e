"""Many exceptions at once in a browser: ticked or all that match, see which fit, confirm, watch, try again what was left, put
back what was done."""

from playwright.sync_api import Browser, Page, expect

from opsconsole.demo.browser import Login, sign_in
from opsconsole.demo.people import MARTA, PRIYA


def test_all_that_match_are_taken_and_what_changed_meanwhile_again(console, browser: Browser, supervised):
    page, other = (browser.new_context(base_url=console).new_page() for _ in range(2))
    sign_in(page, Login(email=PRIYA.email))
    sign_in(other, Login(email=MARTA.email))
    page.goto("/queue/finance/")
    ticked = page.get_by_role("checkbox", name="Tick").first
    fee = ticked.get_attribute("value")
    begin(page, "all", "claim")
    with supervised("files"):
        heading = page.get_by_role("heading", level=1)
        expect(heading).to_have_text("Take them: it fits 13 of 14 exceptions")
        expect(page.locator("main")).to_contain_text("Marta Lis is on this until")

        other.goto("/queue/finance/")
        other.locator(f'input[name="case"][value="{fee}"]').check()
        other.locator("select[name=to]").select_option(label="me")
        other.get_by_role("button", name="Assign", exact=True).click()
        expect(other.get_by_role("status").first).to_contain_text("1 case is yours now.")

        page.get_by_role("button", name="Take 13 exceptions").click()
        expect(heading).to_have_text("12 taken, 1 skipped, 0 failed, 1 not eligible")
        expect(page.locator("main")).to_contain_text("It changed since the dry run, so nothing was done to it.")
        first = page.url
        page.get_by_role("button", name="Check the 1 that is left again").click()
        expect(heading).to_have_text("Take them: it fits 1 of 1 exception")
        page.get_by_role("button", name="Take 1 exception").click()
        expect(heading).to_have_text("1 taken, 0 skipped, 0 failed")

        page.goto(first)
        page.get_by_role("button", name="Put back what it did").click()
        expect(heading).to_have_text("Put back: it fits 12 of 12 exceptions", timeout=20_000)
        page.get_by_role("button", name="Put back 12 exceptions").click()
        expect(heading).to_have_text("12 put back, 0 skipped, 0 failed", timeout=20_000)
        page.get_by_role("link", name="What bulk action").click()
        expect(page.get_by_role("link", name="By bulk action")).to_be_visible()
        expect(page.get_by_role("button", name="Put back what it did")).to_have_count(0)

        page.goto("/queue/finance/?view=held")
        page.locator(f'input[name="case"][value="{fee}"]').check()
        begin(page, "ticked", "snooze")
        page.get_by_label("Reason").fill("Peak season")
        page.get_by_role("button", name="See which fit").click()
        expect(heading).to_have_text("Snooze: it fits 1 of 1 exception")
    page.get_by_role("button", name="Throw away").click()
    expect(heading).to_contain_text("Stopped: 0 snoozed")
    page.goto("/bulk/")
    expect(page.get_by_role("rowheader")).to_have_count(4)


def begin(page: Page, which: str, action: str) -> None:
    page.locator("select[name=which]").select_option(which)
    page.locator("select[name=action]").select_option(action)
    page.get_by_role("button", name="See which fit").click()
