"""Tom sees over time what part of his orders came with a SKU that is mapped, and takes the figures with him."""

from playwright.sync_api import expect

from opsconsole.demo.browser import Login
from opsconsole.demo.people import TOM


def test_the_coverage_of_skus_is_read_by_channel_and_taken_along(visits):
    page = visits.page(Login(email=TOM.email))
    page.goto("/listings/")
    page.get_by_role("link", name="Coverage over time").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("%")
    trend = page.get_by_role("region", name="Trend")
    expect(trend.get_by_role("img")).to_be_visible()
    trend.get_by_role("link", name="By money").click()
    trend.get_by_role("link", name="Have an item now").click()
    expect(trend.locator("[aria-current]")).to_have_text(["Have an item now", "By money"])
    page.get_by_text("Each week of each channel").click()
    rows = page.get_by_role("region", name="The figures, the newest week first").locator("tr[data-row]")
    expect(rows.filter(has_text="United Kingdom").first).to_be_visible()
    with page.expect_download() as taken:
        page.get_by_role("link", name="Download CSV").click()
    lines = taken.value.path().read_text().splitlines()
    assert len(lines) == rows.count() + 1
