"""Lists and cases without a mouse, and what a screen reader hears of it."""

import re

import pytest
from playwright.sync_api import Page, expect

from opsconsole.demo.browser import Login
from opsconsole.demo.people import IAN, PRIYA
from opsconsole.demo.ways import case_of

RING = """() => {
  const element = document.activeElement, style = getComputedStyle(element);
  const ringed = style.boxShadow !== "none" || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2);
  return element === document.body ? null : [element.outerHTML.slice(0, 90), ringed];
}"""
TABS = 40


@pytest.fixture
def priya(visits) -> Page:
    return visits.page(Login(email=PRIYA.email))


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def said(page: Page):
    """The live region."""
    return page.locator("#said")


def test_j_and_k_bring_the_focus_to_a_row_and_enter_and_o_open_it(priya):
    priya.goto("/queue/finance/")
    links, cursor = priya.locator("tr[data-row] th a"), priya.locator("[data-cursor]")
    press(priya, "j")
    expect(links.nth(0)).to_be_focused()
    press(priya, "j", "j", "k")
    expect(links.nth(1)).to_be_focused()
    expect(cursor).to_have_count(1)
    second = links.nth(1).inner_text()
    expect(cursor).to_contain_text(second)
    press(priya, "Enter")
    expect(priya.get_by_role("heading", level=1)).to_have_text(second)

    priya.goto("/")
    press(priya, "j", "o")
    expect(priya.locator("#action-title")).to_be_visible()
    first = priya.url
    press(priya, "j")
    expect(priya).not_to_have_url(first)
    press(priya, "k")
    expect(priya).to_have_url(first)


def test_keys_take_a_case_and_lead_to_its_action_its_hand_over_and_its_snooze(priya):
    case_of("settlement.fee-unmapped")(priya)
    press(priya, "a")
    expect(priya.get_by_role("status").first).to_contain_text("You hold this case")
    expect(said(priya)).to_contain_text("You hold this case")
    case = priya.url
    for key, field in (("r", "#action select"), ("e", "#hand-over select"), ("s", "#snooze [name='wakes']")):
        priya.goto("/queue/finance/?view=mine")
        press(priya, "j", key)
        expect(priya).to_have_url(re.compile(re.escape(case) + "#"))
        expect(priya.locator(field).first).to_be_focused()
        priya.goto(case)
        press(priya, key)
        expect(priya.locator(field).first).to_be_focused()


def test_x_ticks_the_row_and_with_shift_all_from_the_last_tick_on(priya):
    priya.goto("/journals/?state=draft")
    boxes = priya.locator("[data-row] input[type='checkbox']")
    press(priya, "j", "x")
    expect(said(priya)).to_have_text("Ticked. 1 ticked.")
    press(priya, "j", "j", "Shift+X")
    expect(said(priya)).to_have_text("Ticked. 3 ticked.")
    assert [box.is_checked() for box in boxes.all()[:4]] == [True, True, True, False]
    press(priya, "x")
    expect(said(priya)).to_have_text("Not ticked. 2 ticked.")


def test_a_assigns_the_row_under_the_cursor(priya):
    priya.goto("/queue/finance/")
    first = priya.locator("tr[data-row]").first
    expect(first).to_contain_text("Nobody")
    press(priya, "j", "a")
    expect(said(priya)).to_contain_text("1 case")
    expect(priya.locator("tr[data-row]").first).to_contain_text("You")


def test_the_sheet_of_keys_opens_closes_and_gives_the_focus_back(priya):
    priya.goto("/queue/finance/")
    sheet, link = priya.locator(".keys-list"), priya.locator("tr[data-row] th a").first
    press(priya, "j", "?")
    expect(sheet).to_be_visible()
    expect(priya.locator("#keys summary")).to_be_focused()
    press(priya, "Escape")
    expect(sheet).to_be_hidden()
    expect(link).to_be_focused()
    press(priya, "/")
    expect(priya.locator("[data-find]")).to_be_focused()
    press(priya, "Escape")
    expect(link).to_be_focused()
    press(priya, "?")
    sheet.get_by_role("checkbox").uncheck()
    priya.reload()
    press(priya, "j")
    expect(priya.locator("[data-cursor]")).to_have_count(0)


def test_keys_with_a_modifier_are_the_browsers_and_what_is_typed_is_text(priya):
    priya.goto("/queue/finance/")
    press(priya, "Control+j", "Alt+j", "Meta+j", "/", "j", "x", "?")
    expect(priya.locator("[data-find]")).to_have_value("jx?")
    expect(priya.locator("[data-cursor]")).to_have_count(0)


def test_filters_keep_the_focus_and_say_how_many_cases_there_are(priya):
    priya.goto("/queue/finance/")
    lede = priya.locator(".lede").inner_text()
    why = priya.get_by_label("Why it stopped")
    why.focus()
    why.select_option(label="Transient")
    expect(said(priya)).to_have_text("0 cases")
    expect(why).to_be_focused()
    why.select_option(label="Any reason")
    expect(said(priya)).to_have_text(re.compile(r"^\d+ cases, £[\d,.]+.* at stake$"))
    assert re.search(r"\d+", said(priya).inner_text()).group() == re.search(r"\d+", lede).group()


def test_a_preview_is_said_and_leaves_the_focus_where_it_is(priya):
    case_of("settlement.fee-unmapped")(priya)
    form = priya.locator("#action")
    form.get_by_label("Ledger account").select_option(label="5115 Returns handling")
    reason = form.get_by_label("Reason")
    reason.focus()
    expect(said(priya)).to_contain_text("Map the fee and rebuild")
    reason.fill("Returns by buyers")
    priya.locator("[data-primary]").focus()
    priya.locator("#preview").evaluate("it => it.setAttribute('data-old', '')")
    expect(priya.locator("#preview[data-old]")).to_have_count(0)
    expect(priya.locator("[data-primary]")).to_be_focused()


def test_a_form_that_fails_brings_the_focus_to_its_first_fault(priya):
    case_of("settlement.fee-unmapped")(priya)
    reason = priya.locator("#action").get_by_label("Reason")
    reason.fill("  ")
    priya.locator("#action").evaluate("form => { form.removeAttribute('hx-post'); form.submit(); }")
    expect(priya.locator("#action [aria-invalid='true']").first).to_be_focused()
    priya.goto("/settlements/upload/")
    priya.locator("form[enctype]").evaluate("form => { form.noValidate = true; form.requestSubmit(); }")
    expect(priya.locator("main [aria-invalid='true']").first).to_be_focused()


def test_a_page_that_refreshes_itself_takes_no_focus_and_says_only_what_changed(visits):
    page = visits.page(Login(email=IAN.email))
    page.goto("/jobs/?view=waiting")
    page.locator("[data-row] a").first.click()
    page.evaluate(HEARD)
    link = page.locator("#progress").get_by_role("link").or_(page.locator("#progress button")).first
    link.focus()
    old = link.element_handle()
    page.wait_for_function("old => !old.isConnected", arg=old)
    expect(link).to_be_focused()
    with page.expect_response(lambda response: "/jobs/" in response.url):
        pass
    assert page.evaluate("window.heard") == []


HEARD = """() => {
  window.heard = [];
  new MutationObserver(() => window.heard.push(document.getElementById("said").textContent))
    .observe(document.getElementById("said"), { childList: true });
}"""


def test_whatever_has_the_focus_wears_a_ring(visits):
    page = visits.page(Login(email=PRIYA.email))
    for path in ("/login/", "/", "/queue/finance/", "/settlements/upload/"):
        page.goto(path)
        assert _without_a_ring(page) == []
    page.goto("/queue/finance/")
    page.locator("tr[data-row] a").first.click()
    assert _without_a_ring(page) == []


def _without_a_ring(page: Page) -> list[str]:
    """What the Tab key comes to."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    reached = []
    for _ in range(TABS):
        page.keyboard.press("Tab")
        if found := page.evaluate(RING):
            reached.append(found)
    assert reached
    return [element for element, ringed in reached if not ringed]
