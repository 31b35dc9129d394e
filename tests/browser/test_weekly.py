"""The week's reviews, by the role that signs each: Tom where the ERP and Amazon are apart, Priya what is not in the books."""

import pytest
from playwright.sync_api import expect

from opsconsole.demo.browser import Login
from opsconsole.demo.people import ELIN, PRIYA, TOM

WEEKLY = {  # routine -> who signs it, the initials, the note, who else is told may not do what
    "Inventory variance": (TOM, "TA", "The ERP is counted on Thursday", "sign the inventory variance review"),
    "Payout reconciliation": (PRIYA, "PN", "The garden file is asked for again", "sign the payout reconciliation"),
}


@pytest.mark.parametrize("routine", WEEKLY)
def test_a_week_is_signed_once_by_who_signs_it(visits, routine: str):
    person, initials, note, does = WEEKLY[routine]
    page = visits.page(Login(email=person.email))
    page.goto("/")
    panel = page.get_by_role("region", name=routine)
    expect(panel).to_contain_text("Signed once a week, from Monday")
    panel.get_by_role("link", name="Open the check").click()
    page.get_by_label("What you decided").wait_for()
    there = page.locator("tr[data-row]").count()
    assert there or person == TOM  # nothing is apart in the demo, and finance has enough to do
    page.get_by_label("What you decided").fill(note)
    page.get_by_role("button", name=f"Sign with {f'{there} left' if there else 'zero'}").click()
    expect(page.get_by_role("status")).to_contain_text(f"Signed: {there} seen, 0 decided since the last one.")
    expect(page.locator("main")).to_contain_text("Signed already. The next one is due")
    expect(page.get_by_role("button", name="Sign with")).to_have_count(0)

    page.locator(".day.signed", has_text=f"{initials}{there}").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"{person.name} signed with {there} left")
    expect(page.locator("main")).to_contain_text(note)
    expect(page.locator("main tbody tr")).to_have_count(there)

    elin = visits.page(Login(email=ELIN.email))
    elin.goto("/")
    elin.get_by_role("region", name=routine).get_by_role("link", name="Open the check").click()
    refusal = elin.locator("#preview")
    expect(refusal).to_contain_text(f"Your role cannot {does}.")
    expect(refusal).to_contain_text(person.name)
    expect(elin.locator(".day.signed", has_text=f"{initials}{there}")).to_be_visible()
    assert visits.complaints == []
