"""Marta's morning at the queue: she finds by words as she types, gives away what is not hers, and keeps what she asks for."""

from playwright.sync_api import Page, expect

from opsconsole.demo.browser import Login
from opsconsole.demo.people import MARTA, PRIYA


def tick_first(page: Page) -> str:
    row = page.locator("[data-row]").first
    row.get_by_role("checkbox").check()
    return row.get_by_role("link").first.inner_text()


def test_a_triage_day(visits):
    marta = visits.page(Login(email=MARTA.email))
    marta.goto("/queue/finance/")
    before = marta.locator("[data-row]").count()
    marta.get_by_label("Words").press_sequentially("fee", delay=20)
    marta.wait_for_url("**/queue/finance/?*q=fee*")
    expect(marta.get_by_label("Words")).to_be_focused()
    assert 0 < marta.locator("[data-row]").count() < before

    # A tick outlives the leaving of the search.
    given = tick_first(marta)
    marta.get_by_label("Assign the ticked to").select_option(label=PRIYA.name)
    marta.get_by_role("button", name="Assign", exact=True).click()
    expect(marta.locator("#notices")).to_contain_text(f"1 case is {PRIYA.name}’s now.")
    expect(marta.get_by_label("Words")).to_have_value("fee")

    marta.get_by_text("Save this view…").click()
    marta.get_by_label("Name", exact=True).fill("Fees")
    marta.get_by_role("button", name="Save", exact=True).click()
    mine = marta.get_by_role("navigation", name="Saved views").get_by_role("link", name="Fees")
    expect(mine).to_have_attribute("aria-current", "page")
    marta.get_by_text("Change “Fees”…").click()
    marta.get_by_role("button", name="Give it to Finance").click()
    expect(marta.locator("#notices")).to_contain_text("sees “Fees” now")

    priya = visits.page(Login(email=PRIYA.email))
    priya.goto(mine.get_attribute("href"))
    priya.get_by_role("link", name="Mine").click()
    priya.get_by_role("link", name=given).first.click()
    priya.get_by_text("Snooze…").first.click()
    priya.get_by_label("more than an amount is at stake").check()
    priya.get_by_label("Amount in").fill("90000")
    priya.locator("#snooze").get_by_label("Reason").fill("Amazon answers by Friday")
    priya.locator("#snooze").get_by_role("button", name="Snooze").click()
    expect(priya.locator("main")).to_contain_text("Sleeps until more than £90,000.00 is at stake")
    assert visits.complaints == []
