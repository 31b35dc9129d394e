"""What a person set for all programs holds here too: larger text, less motion, colours of his own."""

import pytest
from playwright.sync_api import Page, expect

from opsconsole.demo.browser import Login
from opsconsole.demo.people import PRIYA
from opsconsole.demo.story import UK_4
from opsconsole.demo.ways import case_of

SCREENS = {
    "today": lambda page: page.goto("/"),
    "queue": lambda page: page.goto("/queue/finance/"),
    "case": case_of("settlement.fee-unmapped"),
    "tie-out": lambda page: page.goto(f"/settlements/{UK_4.number}/"),
}
MOVING = """() => [...document.querySelectorAll("*")].filter((it) => {
  const style = getComputedStyle(it);
  return parseFloat(style.transitionDuration) > 0 || style.animationName !== "none";
}).length"""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CUT_OFF = """() => [...document.querySelectorAll("main :not(input, select, textarea)")].filter((it) => {
  const cuts = ["hidden", "clip"].includes(getComputedStyle(it).overflowX) && it.clientWidth > 1;
  return cuts && it.scrollWidth > it.clientWidth + 1;
}).map((it) => it.outerHTML.slice(0, 90))"""


@pytest.fixture
def priya(visits) -> Page:
    return visits.page(Login(email=PRIYA.email))


def test_text_of_twice_the_size_fits(priya):
    """As a browser's own setting does it, so that the widths at which the page changes grow with the text."""
    priya.set_viewport_size({"width": 1280, "height": 900})
    larger = priya.context.new_cdp_session(priya)
    larger.send("Page.enable")
    larger.send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})
    for name, open_screen in SCREENS.items():
        open_screen(priya)
        assert priya.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") == 32
        assert priya.evaluate(SIDEWAYS) <= 0, name
        assert priya.evaluate(CUT_OFF) == [], name


def test_nothing_moves_for_who_wants_no_motion(priya):
    priya.emulate_media(reduced_motion="no-preference")
    priya.goto("/queue/finance/")
    assert priya.evaluate(MOVING) > 0
    priya.emulate_media(reduced_motion="reduce")
    for name, open_screen in SCREENS.items():
        open_screen(priya)
        assert priya.evaluate(MOVING) == 0, name


def test_with_forced_colours_the_cursor_the_focus_and_the_marks_are_still_seen(priya):
    priya.emulate_media(forced_colors="active")
    priya.goto("/queue/finance/")
    priya.keyboard.press("j")
    row = priya.locator("tr[data-cursor]")
    for part in (row, row.get_by_role("link").first, priya.locator(".side [aria-current='page']")):
        expect(part).to_have_css("outline-style", "solid")
        expect(part).to_have_css("outline-width", "2px")
    shapes = "it => getComputedStyle(it, '::before').forcedColorAdjust"
    assert row.locator(".mark").evaluate(shapes) == "none"
