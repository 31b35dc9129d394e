"""The ways to the screens of the tour: each begins on an empty page of who is signed in, and ends on its screen, complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from opsconsole.demo.browser import Login, fill_in
from opsconsole.demo.people import BRACKENFOLD, PRIYA, TOM
from opsconsole.demo.story import UK_1

if TYPE_CHECKING:  # only the development requirements bring it
    from playwright.sync_api import Page


def at(path: str) -> Callable[[Page], object]:
    return lambda page: page.goto(path)


def first_of(path: str, asked: str = "") -> Callable[[Page], object]:
    """The page behind the first link of a list."""

    def open_first(page: Page) -> None:
        page.goto(path)
        link = page.locator("[data-row] a").first
        page.goto(link.get_attribute("href") + asked)

    return open_first


def the_check(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Open the check").first.click()


def the_check_with_zero(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Open the check").last.click()


def signed_zero(page: Page) -> None:
    """Signed by whoever looks first."""
    the_check_with_zero(page)
    if (button := page.get_by_role("button", name="Sign with zero")).count():
        button.click()
        page.get_by_role("status").wait_for()
    page.locator(".day.signed").last.click()
    page.get_by_role("heading", name="signed with 0 left").wait_for()


def mark_a_peak(page: Page) -> None:
    the_check(page)
    page.get_by_role("link", name="Mark a day as peak").click()


def the_calendar(page: Page) -> None:
    the_check(page)
    page.get_by_role("link", name="Calendar", exact=True).click()


def shift_ended(page: Page) -> None:
    """The note as it would be, before anything is written."""
    page.goto("/shifts/")
    page.get_by_role("link", name=f"Finance, {BRACKENFOLD.name}").click()
    page.get_by_label("To whom").select_option(label=PRIYA.name)
    page.locator("#preview").get_by_text(f"Hand over to {PRIYA.name}").wait_for()


def alone(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="End your shift").click()


def held_legs(page: Page) -> None:
    page.goto("/settlements/")
    page.get_by_role("link", name="order_legs_uk_september.csv").click()


def case_of(kind: str, team: str = "finance") -> Callable[[Page], object]:
    return first_of(f"/queue/{team}/?type={kind}")


def connected(kind: str, query: str = "") -> Callable[[Page], object]:
    """The first connection of this kind."""

    def open_connection(page: Page) -> None:
        page.goto("/connections/")
        found = page.locator("[data-row]", has_text=kind).locator("a").first
        page.goto(found.get_attribute("href") + query)

    return open_connection


def amazon_account(query: str = "") -> Callable[[Page], object]:
    return connected("Amazon seller account", query)


def wrong_password(page: Page) -> None:
    page.goto("/login/")
    fill_in(page, Login(email=PRIYA.email, password="not this one"))
    page.get_by_role("alert").wait_for()


def locked_out(page: Page) -> None:
    """With an e-mail that nobody has: the demo's people stay free."""
    page.goto("/login/")
    while page.get_by_role("button", name="Sign in").count():
        fill_in(page, Login(email="nobody@brackenfold.example"))
        page.get_by_role("heading", level=1).wait_for()


def person(query: str = "") -> Callable[[Page], object]:
    def open_person(page: Page) -> None:
        page.goto("/people/")
        found = page.get_by_role("link", name=TOM.name)
        page.goto(found.get_attribute("href") + query)

    return open_person


def roles_previewed(page: Page) -> None:
    person()(page)
    page.get_by_role("link", name="Change").first.click()
    page.locator("#deed").get_by_label("Viewer").check()
    page.locator("#preview").get_by_text("Gains").wait_for()


def invited_wrongly(page: Page) -> None:
    page.goto("/people/")
    page.get_by_role("button", name="Invite").click()
    page.locator(".error").first.wait_for()


def link_handed_over(page: Page) -> None:
    person()(page)
    page.get_by_role("button", name="Make a link").click()
    page.get_by_role("heading", name="Hand this link").wait_for()


def link_opened(page: Page) -> None:
    link_handed_over(page)
    page.goto(page.get_by_label("Address").input_value())
    page.get_by_role("button", name="Set the password").wait_for()


def token_made(page: Page) -> None:
    page.goto("/account/")
    page.get_by_label("What will use it").fill("Warehouse board")
    page.get_by_role("button", name="Make the token").click()
    page.get_by_label("Token", exact=True).wait_for()


def form_gone_stale(page: Page) -> None:
    page.goto("/login/")
    page.context.clear_cookies()
    with page.expect_navigation():
        fill_in(page, Login(email=PRIYA.email))


def case_with_a_fault(page: Page) -> None:
    """A preview asked for with a reason of blanks, which the browser lets pass and the server does not."""
    case_of("settlement.fee-unmapped")(page)
    page.locator("#action").get_by_label("Reason").fill("  ")
    page.keyboard.press("Tab")
    page.locator("#preview").get_by_role("alert").wait_for()


def version_previewed(page: Page) -> None:
    case_of("settlement.changed")(page)
    page.locator("#action").get_by_role("radio").last.check()
    page.locator("#action").get_by_label("Reason").fill("Equal to a fresh download")
    page.keyboard.press("Tab")
    page.locator("#preview").get_by_text("takes the place of").wait_for()


def case_with_moves_open(page: Page) -> None:
    case_of("settlement.column-unknown")(page)
    for summary in page.locator(".moves summary").all():
        summary.click()


def upload_without_a_file(page: Page) -> None:
    page.goto("/settlements/upload/")
    page.evaluate("document.querySelector('main form').noValidate = true")
    page.get_by_role("button", name="Upload and read it").click()
    page.locator(".error").first.wait_for()


def chart_planned(page: Page) -> None:
    page.goto("/mapping/chart/?chart=us&entity=")
    page.goto(
        f"/mapping/chart/?chart=us&entity={page.get_by_label('Company').last.locator('option').last.get_attribute('value')}"
    )


def job_done(page: Page) -> None:
    page.goto("/jobs/?view=all")
    page.get_by_role("link", name="Read a settlement file").last.click()
    page.get_by_role("heading", name="taken").wait_for()


def tick_all(page: Page, state: str, button: str) -> None:
    page.goto(f"/journals/?state={state}")
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name=button).click()
    page.locator("[data-primary]").wait_for()


def approval_previewed(page: Page) -> None:
    tick_all(page, "draft", "Approve ticked")


def export_previewed(page: Page) -> None:
    approval_previewed(page)
    page.locator("[data-primary]").click()
    page.get_by_role("status").wait_for()
    tick_all(page, "approved", "Export ticked")


def batch(page: Page) -> None:
    tick_all(page, "approved", "Export ticked")
    page.locator("[data-primary]").click()
    page.get_by_role("link", name="Download").wait_for()


def void_previewed(page: Page) -> None:
    first_of("/exports/")(page)
    page.get_by_role("link", name="Void this batch").click()
    page.locator("[data-primary]").wait_for()


def approval_taken_back(page: Page) -> None:
    first_of("/journals/?state=approved")(page)
    page.get_by_role("link", name="Take the approval back").click()
    page.locator("[data-primary]").wait_for()


def correction(page: Page) -> None:
    page.goto(f"/settlements/{UK_1.number}/")
    page.get_by_role("link", name="Correction of September 2026").click()
    page.get_by_text("Books only the difference").wait_for()


def month_of(name: str) -> Callable[[Page], object]:
    def open_month(page: Page) -> None:
        page.goto("/close/")
        page.get_by_role("link", name=name, exact=True).first.click()
        page.get_by_role("heading", name=name).first.wait_for()

    return open_month


def unlocking(page: Page) -> None:
    """Asked for by whoever looks first; the others find it asked."""
    month_of("September 2026")(page)
    if page.get_by_text("asks to unlock it").count() == 0:
        page.get_by_label("Reason").fill("The auditor found a fee on the wrong account")
        page.get_by_role("button", name="See what it does").click()
        page.locator("[data-primary]").click()
        page.get_by_role("status").wait_for()


def order_settings(page: Page) -> None:
    page.goto("/orders/")
    page.locator(".tools a").first.click()


def measures(page: Page) -> None:
    page.goto("/alerts/channels/")
    page.locator(".tools a").first.click()
    page.get_by_role("heading", name="is high from").wait_for()


def one_person(page: Page) -> None:
    page.goto("/close/")
    page.get_by_role("link", name="see or change").first.click()
    page.get_by_role("heading", level=1).get_by_text("two people").wait_for()


def limits(page: Page) -> None:
    page.goto("/approvals/")
    page.get_by_role("link", name="Limits of").first.click()


def chain_moved(page: Page) -> None:
    first_of("/chains/")(page)
    page.get_by_role("link", name="Move", exact=True).last.click()
    page.locator("#deed").wait_for()


def change_rule(page: Page, fee: str, account: str, reason: str) -> None:
    first_of(f"/mapping/?show=rules&text={fee}")(page)
    page.locator("#deed").get_by_label("Ledger account").select_option(label=account)
    page.locator("#deed").get_by_label("Reason").fill(reason)
    page.keyboard.press("Tab")
    page.locator("#preview").get_by_text("What has left stays").first.wait_for()


def rule_changed(page: Page) -> None:
    change_rule(page, "GiftMessageFee", "5110 FBA fees", "Amazon packs them")


def rule_replayed(page: Page) -> None:
    change_rule(page, "FBAPerUnitFulfillmentFee", "5190 Other Amazon fees", "The board wants them together")
    page.get_by_role("button", name="Replay it on settlements").click()
    page.get_by_role("heading", level=1).get_by_text("It would").wait_for()


def rule_undone(page: Page) -> None:
    first_of("/mapping/?show=rules&text=GiftMessageFee")(page)
    page.get_by_role("link", name="Undo this version").click()
    page.locator("#deed").wait_for()


def audit_entry_open(page: Page) -> None:
    page.goto("/audit/")
    page.locator("td summary").first.click()


def in_bulk(choice: str) -> Callable[[Page], object]:
    """All that the finance queue shows, as far as the form or the dry run."""

    def begin(page: Page) -> None:
        page.goto("/queue/finance/")
        page.get_by_label("Or with").select_option("all")
        page.locator("select[name=action]").select_option(choice)
        page.get_by_role("button", name="See which fit").click()
        page.locator("[data-primary]").or_(page.get_by_role("heading", name="are being checked")).first.wait_for()

    return begin


def menu_and_keys_open(page: Page) -> None:
    page.goto("/queue/finance/")
    page.keyboard.press("?")
    page.evaluate("document.querySelector('details.menu').open = true")
