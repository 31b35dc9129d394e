"""The queue without a mouse."""

from playwright.sync_api import Page, expect

from opsconsole.demo.people import PRIYA
from opsconsole.demo.tour import Login

RING = """() => {
  const element = document.activeElement, style = getComputedStyle(element);
  const ringed = style.boxShadow !== "none" || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2);
  return element === document.body ? null : [element.outerHTML.slice(0, 90), ringed];
}"""
TABS = 40


def test_j_k_and_enter_move_through_the_queue_and_open_a_case(visits):
    page = visits.page(Login(email=PRIYA.email))
    page.goto("/queue/finance/")
    rows, cursor = page.locator("tr[data-row]"), page.locator("tr[data-cursor]")
    page.keyboard.press("j")
    expect(cursor).to_contain_text(rows.nth(0).locator("a").inner_text())
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(cursor).to_have_count(1)
    second = rows.nth(1).locator("a").inner_text()
    expect(cursor).to_contain_text(second)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(second)


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
