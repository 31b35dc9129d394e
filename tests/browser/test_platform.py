"""An integration platform in front of the console, by real HTTP both ways: connected, records in, retried, reported, over."""

import re
import shlex
from urllib.parse import urlencode

import httpx
from playwright.sync_api import Page, expect

from opsconsole.demo.browser import Login
from opsconsole.demo.people import IAN, KOFI


def sent(command: str, **said: str) -> httpx.Response:
    """The request that the page shows, as a person's shell would send it, with other words in its body."""
    parts = shlex.split(command)
    headers = dict(parts[place + 1].split(": ", 1) for place, part in enumerate(parts) if part == "-H")
    body = parts[-1]
    for before, after in said.items():
        body = body.replace(before, after)
    return httpx.post(parts[1], headers=headers, content=body.encode())


def test_what_failed_there_is_retried_and_ends_by_its_word(visits, console, sandbox_url, supervised):
    ian = visits.page(Login(email=IAN.email))
    ian.goto("/connections/")
    ian.get_by_role("link", name="Connect an integration platform").click()
    ian.get_by_label("Name").fill("Northbridge")
    ian.get_by_role("button", name="Connect it").click()
    key = ian.get_by_label("Key of Northbridge").input_value()
    curl = re.search(r"^curl.*", ian.locator("#curl").inner_text(), re.DOTALL | re.MULTILINE)[0].replace("$KEY", key)
    assert sent(curl).json() == {"open": 1, "records": [{"id": "run-8841-1", "outcome": "new"}]}
    assert sent(curl, **{"run-8841-1": "run-8841-7", "OAKTRAY": "CANDLE-3"}).json()["open"] == 2

    page_of_it(ian)
    expect(ian.get_by_role("heading", level=1)).to_have_text("Northbridge has 2 records that failed")
    assert key not in ian.content()
    asked = urlencode({"report": f"{console}/api/v1/intake/", "key": key})
    ian.get_by_label("Where it takes retries").fill(f"{sandbox_url}/platform/retry?{asked}")
    ian.get_by_label("Reason").fill("As agreed")
    ian.get_by_role("button", name="Send retries there").click()
    expect(ian.locator("#notices")).to_contain_text("Retries go to 127.0.0.1")

    kofi = visits.page(Login(email=KOFI.email))
    kofi.goto("/queue/ops/?q=northbridge")
    kofi.get_by_role("link", name="2 records of orders → ERP failed in Northbridge").click()
    expect(kofi.locator("main")).to_contain_text("order 203-2816634-1180329")
    with supervised("quick"):
        kofi.get_by_role("button", name="Retry 2 records in Northbridge").click()
        expect(kofi.locator("#notices")).to_contain_text("2 retries leave for Northbridge now.")
        case = kofi.url

        # One succeeds. The other fails once more, in other words: its cause is a case of its own.
        again = kofi.get_by_role("link", name="1 record of orders → ERP failed in Northbridge: The item has no tax group")
        until(kofi, lambda: kofi.goto("/queue/ops/?q=northbridge+tax"), again)
        again.click()
        kofi.get_by_role("button", name="Retry 1 record in Northbridge").click()
        until(kofi, lambda: kofi.goto(case), kofi.get_by_text("Cleared").first)
        page_of_it(ian)
        until(ian, ian.reload, ian.get_by_role("heading", name="Northbridge has no failed record"))
    assert visits.complaints == []


def page_of_it(page: Page) -> None:
    page.goto("/connections/")
    page.get_by_role("link", name="Northbridge").click()


def until(page: Page, look, found) -> None:
    """Look again until it is there."""
    for _ in range(40):
        look()
        if found.count():
            return
        page.wait_for_timeout(500)
    expect(found).to_be_visible()
