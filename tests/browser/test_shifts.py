"""Marta ends her shift: a draft of what happened, her words, a case for Priya. Priya reads it on Today and takes over."""

from playwright.sync_api import expect

from opsconsole.demo.browser import Login
from opsconsole.demo.people import BRACKENFOLD, MARTA, PRIYA


def test_a_shift_is_handed_over_and_taken_over(visits):
    marta = visits.page(Login(email=MARTA.email))
    marta.goto("/queue/finance/")
    marta.get_by_role("link", name="End your shift").click()
    marta.get_by_role("link", name=f"Finance, {BRACKENFOLD.name}").click()
    expect(marta.locator("main")).to_contain_text("exception came in")
    marta.get_by_label("To whom").select_option(label=PRIYA.name)
    marta.get_by_label("In your words").fill("Amazon calls back about the peak surcharge at nine.")
    own = marta.locator(".own li").first
    given = own.get_by_role("link").inner_text()
    own.get_by_role("combobox").select_option(label="Hand it to the person above")
    expect(marta.locator("#preview")).to_contain_text("Priya Nair’s from now on")
    marta.get_by_role("button", name=f"Hand over to {PRIYA.name}").click()
    expect(marta.locator("#notices")).to_contain_text("Handed over to Priya Nair. 1 case changed hands.")
    expect(marta.locator("main")).to_contain_text("You wrote it: whoever comes next takes it over.")

    priya = visits.page(Login(email=PRIYA.email))
    priya.goto("/")
    left = priya.get_by_role("region", name="Marta Lis left you a note")
    expect(left).to_contain_text("Amazon calls back about the peak surcharge at nine.")
    expect(left.get_by_role("link", name=given)).to_be_visible()
    left.get_by_role("link", name="Read it all").click()
    priya.get_by_role("button", name="Take over").click()
    expect(priya.get_by_role("heading", level=1)).to_contain_text("taken over by Priya Nair")
    priya.goto("/queue/finance/?view=mine")
    expect(priya.locator("main")).to_contain_text(given)

    marta.goto("/shifts/")
    expect(marta.locator("[data-row]").first).to_contain_text("Taken over")
    expect(marta.locator("[data-row]").first).to_contain_text(PRIYA.name)
    assert visits.complaints == []
