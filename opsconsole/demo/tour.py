"""A walk through every screen of the demo in a browser: for pictures, and for the tests that measure each screen.

A screen is opened once and stays open while its width and its theme change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opsconsole.demo.people import BRACKENFOLD, ELIN, IAN, KOFI, MARTA, PASSWORD, PRIYA, TOM
from opsconsole.demo.story import DE_3, GARDEN_1, GARDEN_2, UK_1, UK_4

if TYPE_CHECKING:  # only the development requirements bring it
    from playwright.sync_api import Browser, BrowserContext, Page

# What a small container lacks, and what a browser does on its own account.
BROWSER_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True, kw_only=True)
class Login:
    email: str
    password: str = PASSWORD


@dataclass(frozen=True, kw_only=True)
class Screen:
    """`person` None is nobody signed in; `open` begins on an empty page and ends on the screen, complete."""

    name: str
    person: Login | None
    open: Callable[[Page], object]


def at(path: str) -> Callable[[Page], object]:
    return lambda page: page.goto(path)


def first_of(path: str, asked: str = "") -> Callable[[Page], object]:
    """The page behind the first link of a list."""

    def open_first(page: Page) -> None:
        page.goto(path)
        link = page.locator("[data-row] a").first
        page.goto(link.get_attribute("href") + asked)

    return open_first


def _the_check(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Open the check").first.click()


def _the_check_with_zero(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Open the check").last.click()


def _signed_zero(page: Page) -> None:
    """Signed by whoever looks first."""
    _the_check_with_zero(page)
    if (button := page.get_by_role("button", name="Sign with zero")).count():
        button.click()
        page.get_by_role("status").wait_for()
    page.locator(".day.signed").last.click()
    page.get_by_role("heading", name="signed with 0 left").wait_for()


def _mark_a_peak(page: Page) -> None:
    _the_check(page)
    page.get_by_role("link", name="Mark a day as peak").click()


def _the_calendar(page: Page) -> None:
    _the_check(page)
    page.get_by_role("link", name="Calendar", exact=True).click()


def _shift_ended(page: Page) -> None:
    """The note as it would be, before anything is written."""
    page.goto("/shifts/")
    page.get_by_role("link", name=f"Finance, {BRACKENFOLD.name}").click()
    page.get_by_label("To whom").select_option(label=PRIYA.name)
    page.locator("#preview").get_by_text(f"Hand over to {PRIYA.name}").wait_for()


def _alone(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="End your shift").click()


def _held_legs(page: Page) -> None:
    page.goto("/settlements/")
    page.get_by_role("link", name="order_legs_uk_september.csv").click()


def case_of(kind: str, team: str = "finance") -> Callable[[Page], object]:
    return first_of(f"/queue/{team}/?type={kind}")


def sign_in(page: Page, login: Login) -> None:
    page.goto("/login/")
    fill_in(page, login)
    page.wait_for_url(lambda url: "/login/" not in url)


def fill_in(page: Page, login: Login) -> None:
    """The sign-in page, and send it."""
    page.get_by_label("E-mail").fill(login.email)
    page.get_by_label("Password").fill(login.password)
    page.get_by_role("button", name="Sign in").click()


def _connected(kind: str, query: str = "") -> Callable[[Page], object]:
    """The first connection of this kind."""

    def open_connection(page: Page) -> None:
        page.goto("/connections/")
        found = page.locator("[data-row]", has_text=kind).locator("a").first
        page.goto(found.get_attribute("href") + query)

    return open_connection


def _amazon_account(query: str = "") -> Callable[[Page], object]:
    return _connected("Amazon seller account", query)


def _wrong_password(page: Page) -> None:
    page.goto("/login/")
    fill_in(page, Login(email=PRIYA.email, password="not this one"))
    page.get_by_role("alert").wait_for()


def _locked_out(page: Page) -> None:
    """With an e-mail that nobody has: the demo's people stay free."""
    page.goto("/login/")
    while page.get_by_role("button", name="Sign in").count():
        fill_in(page, Login(email="nobody@brackenfold.example"))
        page.get_by_role("heading", level=1).wait_for()


def _person(query: str = "") -> Callable[[Page], object]:
    def open_person(page: Page) -> None:
        page.goto("/people/")
        found = page.get_by_role("link", name=TOM.name)
        page.goto(found.get_attribute("href") + query)

    return open_person


def _roles_previewed(page: Page) -> None:
    _person()(page)
    page.get_by_role("link", name="Change").first.click()
    page.locator("#deed").get_by_label("Viewer").check()
    page.locator("#preview").get_by_text("Gains").wait_for()


def _invited_wrongly(page: Page) -> None:
    page.goto("/people/")
    page.get_by_role("button", name="Invite").click()
    page.locator(".error").first.wait_for()


def _link_handed_over(page: Page) -> None:
    _person()(page)
    page.get_by_role("button", name="Make a link").click()
    page.get_by_role("heading", name="Hand this link").wait_for()


def _link_opened(page: Page) -> None:
    _link_handed_over(page)
    page.goto(page.get_by_label("Address").input_value())
    page.get_by_role("button", name="Set the password").wait_for()


def _token_made(page: Page) -> None:
    page.goto("/account/")
    page.get_by_label("What will use it").fill("Warehouse board")
    page.get_by_role("button", name="Make the token").click()
    page.get_by_label("Token", exact=True).wait_for()


def _form_gone_stale(page: Page) -> None:
    page.goto("/login/")
    page.context.clear_cookies()
    with page.expect_navigation():
        fill_in(page, Login(email=PRIYA.email))


def _case_with_a_fault(page: Page) -> None:
    """A preview asked for with a reason of blanks, which the browser lets pass and the server does not."""
    case_of("settlement.fee-unmapped")(page)
    page.locator("#action").get_by_label("Reason").fill("  ")
    page.keyboard.press("Tab")
    page.locator("#preview").get_by_role("alert").wait_for()


def _version_previewed(page: Page) -> None:
    case_of("settlement.changed")(page)
    page.locator("#action").get_by_role("radio").last.check()
    page.locator("#action").get_by_label("Reason").fill("Equal to a fresh download")
    page.keyboard.press("Tab")
    page.locator("#preview").get_by_text("takes the place of").wait_for()


def _case_with_moves_open(page: Page) -> None:
    case_of("settlement.column-unknown")(page)
    for summary in page.locator(".moves summary").all():
        summary.click()


def _upload_without_a_file(page: Page) -> None:
    page.goto("/settlements/upload/")
    page.evaluate("document.querySelector('main form').noValidate = true")
    page.get_by_role("button", name="Upload and read it").click()
    page.locator(".error").first.wait_for()


def _chart_planned(page: Page) -> None:
    page.goto("/mapping/chart/?chart=us&entity=")
    page.goto(
        f"/mapping/chart/?chart=us&entity={page.get_by_label('Company').last.locator('option').last.get_attribute('value')}"
    )


def _job_done(page: Page) -> None:
    page.goto("/jobs/?view=all")
    page.get_by_role("link", name="Read a settlement file").last.click()
    page.get_by_role("heading", name="taken").wait_for()


def _tick_all(page: Page, state: str, button: str) -> None:
    page.goto(f"/journals/?state={state}")
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name=button).click()
    page.locator("[data-primary]").wait_for()


def _approval_previewed(page: Page) -> None:
    _tick_all(page, "draft", "Approve ticked")


def _export_previewed(page: Page) -> None:
    _approval_previewed(page)
    page.locator("[data-primary]").click()
    page.get_by_role("status").wait_for()
    _tick_all(page, "approved", "Export ticked")


def _batch(page: Page) -> None:
    _tick_all(page, "approved", "Export ticked")
    page.locator("[data-primary]").click()
    page.get_by_role("link", name="Download").wait_for()


def _void_previewed(page: Page) -> None:
    first_of("/exports/")(page)
    page.get_by_role("link", name="Void this batch").click()
    page.locator("[data-primary]").wait_for()


def _approval_taken_back(page: Page) -> None:
    first_of("/journals/?state=approved")(page)
    page.get_by_role("link", name="Take the approval back").click()
    page.locator("[data-primary]").wait_for()


def _correction(page: Page) -> None:
    page.goto(f"/settlements/{UK_1.number}/")
    page.get_by_role("link", name="Correction of September 2026").click()
    page.get_by_text("Books only the difference").wait_for()


def month_of(name: str) -> Callable[[Page], object]:
    def open_month(page: Page) -> None:
        page.goto("/close/")
        page.get_by_role("link", name=name, exact=True).first.click()
        page.get_by_role("heading", name=name).first.wait_for()

    return open_month


def _unlocking(page: Page) -> None:
    """Asked for by whoever looks first; the others find it asked."""
    month_of("September 2026")(page)
    if page.get_by_text("asks to unlock it").count() == 0:
        page.get_by_label("Reason").fill("The auditor found a fee on the wrong account")
        page.get_by_role("button", name="See what it does").click()
        page.locator("[data-primary]").click()
        page.get_by_role("status").wait_for()


def _order_settings(page: Page) -> None:
    page.goto("/orders/")
    page.locator(".tools a").first.click()


def _measures(page: Page) -> None:
    page.goto("/alerts/channels/")
    page.locator(".tools a").first.click()
    page.get_by_role("heading", name="is high from").wait_for()


def _one_person(page: Page) -> None:
    page.goto("/close/")
    page.get_by_role("link", name="see or change").first.click()
    page.get_by_role("heading", level=1).get_by_text("two people").wait_for()


def _limits(page: Page) -> None:
    page.goto("/approvals/")
    page.get_by_role("link", name="Limits of").first.click()


def _chain_moved(page: Page) -> None:
    first_of("/chains/")(page)
    page.get_by_role("link", name="Move", exact=True).last.click()
    page.locator("#deed").wait_for()


def _change_rule(page: Page, fee: str, account: str, reason: str) -> None:
    first_of(f"/mapping/?show=rules&text={fee}")(page)
    page.locator("#deed").get_by_label("Ledger account").select_option(label=account)
    page.locator("#deed").get_by_label("Reason").fill(reason)
    page.keyboard.press("Tab")
    page.locator("#preview").get_by_text("What has left stays").first.wait_for()


def _rule_changed(page: Page) -> None:
    _change_rule(page, "GiftMessageFee", "5110 FBA fees", "Amazon packs them")


def _rule_replayed(page: Page) -> None:
    _change_rule(page, "FBAPerUnitFulfillmentFee", "5190 Other Amazon fees", "The board wants them together")
    page.get_by_role("button", name="Replay it on settlements").click()
    page.get_by_role("heading", level=1).get_by_text("It would").wait_for()


def _rule_undone(page: Page) -> None:
    first_of("/mapping/?show=rules&text=GiftMessageFee")(page)
    page.get_by_role("link", name="Undo this version").click()
    page.locator("#deed").wait_for()


def _audit_entry_open(page: Page) -> None:
    page.goto("/audit/")
    page.locator("td summary").first.click()


def _in_bulk(choice: str) -> Callable[[Page], object]:
    """All that the finance queue shows, as far as the form or the dry run."""

    def begin(page: Page) -> None:
        page.goto("/queue/finance/")
        page.get_by_label("Or with").select_option("all")
        page.locator("select[name=action]").select_option(choice)
        page.get_by_role("button", name="See which fit").click()
        page.locator("[data-primary]").or_(page.get_by_role("heading", name="are being checked")).first.wait_for()

    return begin


def _menu_and_keys_open(page: Page) -> None:
    page.goto("/queue/finance/")
    page.keyboard.press("?")
    page.evaluate("document.querySelector('details.menu').open = true")


def screens(newcomer: Login) -> list[Screen]:
    """Every screen. The newcomer's company has nothing in it yet."""
    priya, marta, tom, kofi, ian, elin = (Login(email=each.email) for each in (PRIYA, MARTA, TOM, KOFI, IAN, ELIN))
    tie_out = f"/settlements/{UK_4.number}/"
    return [
        Screen(name=name, person=person, open=go)
        for name, person, go in (
            ("login", None, at("/login/")),
            ("login-wrong", None, _wrong_password),
            ("form-stale", None, _form_gone_stale),
            ("first-run", newcomer, at("/start/")),
            ("queue-empty", newcomer, at("/queue/finance/")),
            ("settlements-empty", newcomer, at("/settlements/")),
            ("journals-empty", newcomer, at("/journals/")),
            ("mapping-empty", newcomer, at("/mapping/")),
            ("care-empty", newcomer, at("/mapping/?show=care")),
            ("accounts-empty", newcomer, at("/accounts/")),
            ("exports-empty", newcomer, at("/exports/")),
            ("chains-empty", newcomer, at("/chains/")),
            ("close-empty", newcomer, at("/close/")),
            ("orders-empty", newcomer, at("/orders/")),
            ("mappings-empty", newcomer, at("/listings/")),
            ("sku-coverage-empty", newcomer, at("/listings/coverage/")),
            ("items-empty", newcomer, at("/items/")),
            ("stock-empty", newcomer, at("/stock/")),
            ("home-finance", priya, at("/")),
            ("home-finance-two-companies", marta, at("/")),
            ("home-ecommerce", tom, at("/")),
            ("home-operations", kofi, at("/")),
            ("home-admin", ian, at("/")),
            ("home-viewer", elin, at("/")),
            ("queue-finance", priya, at("/queue/finance/")),
            ("queue-two-companies", marta, at("/queue/finance/")),
            ("queue-snoozed", priya, at("/queue/finance/?view=snoozed")),
            ("queue-filtered-away", priya, at("/queue/finance/?diagnosis=transient")),
            ("queue-searched", priya, at("/queue/finance/?q=fee&due=week")),
            ("queue-ecommerce", tom, at("/queue/ecommerce/")),
            ("queue-operations", kofi, at("/queue/ops/")),
            ("bulk-asks", priya, _in_bulk("snooze")),
            ("bulk", priya, _in_bulk("claim")),
            ("bulk-checked", marta, first_of("/bulk/")),
            ("bulks", marta, at("/bulk/")),
            ("bulks-empty", newcomer, at("/bulk/")),
            ("menu-and-keys", priya, _menu_and_keys_open),
            ("case-fee", priya, case_of("settlement.fee-unmapped")),
            ("case-fee-fault", priya, _case_with_a_fault),
            ("case-fee-read-only", elin, case_of("settlement.fee-unmapped")),
            ("case-does-not-tie", priya, case_of("settlement.does-not-tie")),
            ("case-changed", priya, case_of("settlement.changed")),
            ("case-changed-previewed", priya, _version_previewed),
            ("case-month-locked", priya, case_of("erp.period-closed")),
            ("case-account-closed", priya, case_of("ledger.account-missing")),
            ("case-refused", priya, case_of("file.layout-unknown")),
            ("case-column", priya, case_of("settlement.column-unknown")),
            ("case-moves", priya, _case_with_moves_open),
            ("case-facilitator", priya, case_of("settlement.facilitator-not-zero")),
            ("case-tax-code", marta, case_of("ledger.tax-code-unmapped")),
            ("case-job", kofi, case_of("job.stuck", team="ops")),
            ("shift-notes", kofi, at("/shifts/")),
            ("shift-notes-empty", newcomer, at("/shifts/")),
            ("shift-note", kofi, first_of("/shifts/")),
            ("shift-note-taken", priya, first_of("/shifts/")),
            ("shift-end", marta, _shift_ended),
            ("shift-end-alone", tom, _alone),
            ("runbooks", kofi, at("/runbooks/")),
            ("runbooks-found", tom, at("/runbooks/?q=reserve")),
            ("runbook", priya, at("/runbooks/settlement.fee-unmapped/")),
            ("runbook-read-only", kofi, at("/runbooks/settlement.fee-unmapped/")),
            ("orders", kofi, at("/orders/")),
            ("order", kofi, first_of("/orders/?view=held")),
            ("order-buyer-hidden", tom, first_of("/orders/?view=held")),
            ("search", tom, at("/search/?q=BF-OAK")),
            ("search-nothing", tom, at("/search/?q=nowhere")),
            ("check", kofi, _the_check),
            ("check-peak", kofi, _mark_a_peak),
            ("check-zero", kofi, _the_check_with_zero),
            ("check-signed", kofi, _signed_zero),
            ("check-read-only", elin, _the_check),
            ("check-variance", tom, _the_check),
            ("check-payouts", priya, _the_check),
            ("work-calendar", kofi, _the_calendar),
            ("work-calendar-read-only", elin, _the_calendar),
            ("case-sku", tom, case_of("sku.unmapped", team="ecommerce")),
            ("case-channel", tom, case_of("order.channel-unknown", team="ecommerce")),
            ("case-late-orders", kofi, case_of("order.late-ship", team="ops")),
            ("case-held-orders", kofi, case_of("order.held", team="ops")),
            ("case-record", kofi, case_of("record.unreadable", team="ops")),
            ("listing", tom, first_of("/listings/")),
            ("orders-held", tom, at("/orders/?view=held")),
            ("order-settings", ian, _order_settings),
            ("mappings", tom, at("/listings/")),
            ("sku-coverage", tom, at("/listings/coverage/")),
            ("sku-coverage-two-companies", marta, at("/listings/coverage/?side=now&by=money")),
            ("items", tom, at("/items/")),
            ("stock", tom, at("/stock/")),
            ("stock-low", elin, at("/stock/?show=low")),
            ("stock-listing", tom, first_of("/stock/")),
            ("stock-what-if", tom, first_of("/stock/", "?least=3&percent=8")),
            ("stock-listing-read-only", elin, first_of("/stock/")),
            ("case-stock-figures", tom, case_of("stock.identity-break", team="ecommerce")),
            ("settlements", priya, at("/settlements/")),
            ("held-legs", priya, _held_legs),
            ("held-legs-read-only", elin, _held_legs),
            ("tie-out", priya, at(tie_out)),
            ("tie-out-negative", priya, at(f"/settlements/{DE_3.number}/")),
            ("tie-out-held", priya, at(f"/settlements/{GARDEN_2.number}/")),
            ("tie-out-changed", priya, at(f"/settlements/{GARDEN_1.number}/")),
            ("tie-out-corrected", priya, at(f"/settlements/{UK_1.number}/")),
            ("lines", priya, at(f"{tie_out}lines/")),
            ("raw-line", priya, at(f"{tie_out}lines/2208/")),
            ("journals", priya, at("/journals/")),
            ("journal", priya, first_of("/journals/")),
            ("journal-draft", priya, first_of("/journals/?state=draft")),
            ("journal-incomplete", priya, first_of("/journals/?state=incomplete")),
            ("journal-correction", marta, _correction),
            ("journals-approve", priya, _approval_previewed),
            ("journals-export", priya, _export_previewed),
            ("journal-approved", priya, first_of("/journals/?state=approved")),
            ("journal-withdraw", priya, _approval_taken_back),
            ("batch", priya, _batch),
            ("batch-void", priya, _void_previewed),
            ("exports", priya, at("/exports/")),
            ("journal-exported", priya, first_of("/journals/?state=exported")),
            ("close", priya, at("/close/")),
            ("close-two-companies", marta, at("/close/")),
            ("month-open", priya, month_of("October 2026")),
            ("month-goes-on", priya, month_of("November 2026")),
            ("month-locked", priya, month_of("September 2026")),
            ("month-unlock-asked", priya, _unlocking),
            ("month-unlock", ian, _unlocking),
            ("one-person", ian, _one_person),
            ("one-person-read-only", priya, _one_person),
            ("approvals", marta, at("/approvals/")),
            ("approval", marta, first_of("/approvals/")),
            ("approval-asked", priya, first_of("/approvals/?show=all")),
            ("limits", ian, _limits),
            ("limits-read-only", priya, _limits),
            ("chains", priya, at("/chains/")),
            ("chain", priya, first_of("/chains/")),
            ("chain-move", priya, _chain_moved),
            ("case-chain", priya, case_of("settlement.reserve-chain-broken")),
            ("case-opening", priya, case_of("settlement.opening-balance")),
            ("case-missing", marta, case_of("settlement.missing")),
            ("mapping-rules", priya, at("/mapping/?show=rules")),
            ("mapping-signatures", priya, at("/mapping/?show=signatures")),
            ("signature", priya, first_of("/mapping/?show=signatures")),
            ("coverage", priya, at("/mapping/coverage/")),
            ("mapping-care", priya, at("/mapping/?show=care")),
            ("rule", priya, first_of("/mapping/?show=rules")),
            ("rule-changed", priya, _rule_changed),
            ("rule-replayed", priya, _rule_replayed),
            ("rule-undone", priya, _rule_undone),
            ("accounts", priya, at("/accounts/")),
            ("accounts-closed", priya, at("/accounts/?show=closed")),
            ("account", priya, first_of("/accounts/")),
            ("account-closed", priya, first_of("/accounts/?show=closed")),
            ("account-read-only", elin, first_of("/accounts/")),
            ("charts", priya, at("/mapping/chart/")),
            ("chart-planned", marta, _chart_planned),
            ("imports", tom, at("/imports/")),
            ("imports-empty", newcomer, at("/imports/")),
            ("import", tom, first_of("/imports/")),
            ("upload", priya, at("/settlements/upload/")),
            ("upload-fault", priya, _upload_without_a_file),
            ("connections", ian, at("/connections/")),
            ("connection", ian, _amazon_account()),
            ("connection-credentials", ian, _amazon_account("?do=credentials")),
            ("connection-marketplaces", ian, _amazon_account("?do=marketplaces")),
            ("connection-read-only", kofi, _amazon_account()),
            ("platform", ian, _connected("Integration platform")),
            ("platform-read-only", kofi, _connected("Integration platform")),
            ("platform-new", ian, at("/connections/platform/")),
            ("case-platform", kofi, case_of("event.dead-letter", "ops")),
            ("runs", kofi, at("/runs/")),
            ("run", kofi, first_of("/runs/")),
            ("jobs", ian, at("/jobs/?view=all")),
            ("job-stuck", priya, first_of("/jobs/?view=troubled")),
            ("job-done", priya, _job_done),
            ("alerts", priya, at("/alerts/")),
            ("alerts-empty", newcomer, at("/alerts/")),
            ("alert", priya, first_of("/alerts/")),
            ("alert-channels", ian, at("/alerts/channels/")),
            ("alert-channel", priya, first_of("/alerts/channels/")),
            ("alert-channel-read-only", elin, first_of("/alerts/channels/")),
            ("alert-measures", ian, _measures),
            ("locked-out", None, _locked_out),
            ("password-lost", None, at("/login/forgot/")),
            ("link-over", None, at("/login/link/x/y/")),
            ("people", ian, at("/people/")),
            ("people-fault", ian, _invited_wrongly),
            ("person", ian, _person()),
            ("person-roles", ian, _roles_previewed),
            ("person-switch-off", ian, _person("?do=switch-off")),
            ("link-handed-over", ian, _link_handed_over),
            ("set-password", ian, _link_opened),
            ("my-account", priya, at("/account/")),
            ("my-account-token", priya, _token_made),
            ("trends", priya, at("/trends/")),
            ("trends-weeks", elin, at("/trends/?weeks=13")),
            ("trends-empty", newcomer, at("/trends/")),
            ("audit", priya, _audit_entry_open),
            ("api", priya, at("/api/v1/docs/")),
            ("api-cases", priya, at("/api/v1/docs/cases/")),
            ("not-found", priya, at("/settlements/nowhere/")),
            ("not-allowed", tom, at("/settlements/")),
        )
    ]


@contextmanager
def signed_in(browser: Browser, base_url: str) -> Iterator[Callable[[Login | None], Page]]:
    """A function that gives an empty page in which the person is signed in. Each signs in once."""
    contexts: dict[Login, BrowserContext] = {}

    def stranger() -> BrowserContext:
        # Nothing moves, so that a screen is complete when it is there.
        return browser.new_context(base_url=base_url, reduced_motion="reduce", locale="en-GB")

    def page_of(login: Login | None) -> Page:
        if login is None:
            return stranger().new_page()
        if login not in contexts:
            contexts[login] = stranger()
            page = contexts[login].new_page()
            sign_in(page, login)
            page.close()
        return contexts[login].new_page()

    try:
        yield page_of
    finally:
        for context in browser.contexts:
            context.close()
