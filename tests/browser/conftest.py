"""The console in Debian's chromium: a real web server on the test database with the demo in it.

Playwright holds an event loop as long as it runs, and Django refuses its database calls beside one: a test begins with
what it needs in the database and then looks at pages alone.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from apps.core.models import Entity
from opsconsole.demo.amazon import pull_all
from opsconsole.demo.people import BRACKENFOLD
from opsconsole.demo.shots import add_newcomer
from opsconsole.demo.tour import BROWSER_FLAGS, Login, signed_in
from opsconsole.run import HOST, web
from opsconsole.supervisor import die_with_parent
from tests.polling import eventually

MEASURED = pytest.StashKey[list[str]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(os.path.dirname(__file__)):
            item.add_marker(pytest.mark.browser)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if rows := config.stash.get(MEASURED, None):
        terminalreporter.section("screens measured")
        terminalreporter.write_line("\n".join(rows))


@pytest.fixture
def measured(pytestconfig) -> list[str]:
    """A line for each screen, theme and width; printed when all tests have run."""
    return pytestconfig.stash.setdefault(MEASURED, [])


@pytest.fixture(scope="session")
def chromium() -> str:
    """Its path. REQUIRE_BROWSER=1 makes a missing one a failure."""
    found = shutil.which("chromium")
    if found is None:
        missing = "chromium is not on the PATH, so nothing was tried in a browser"
        pytest.fail(missing) if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip(missing)
    return found


@pytest.fixture
def newcomer(process_env) -> Login:
    return add_newcomer(process_env)


@pytest.fixture
def console(chromium, process_env, sandbox) -> Iterator[str]:
    """The console with the demo, and with what Amazon's stand-in has brought; its address."""
    with override_settings(DEMO=True, SANDBOX_URL=sandbox.url):
        call_command("load_demo")
        pull_all(Entity.objects.get(name=BRACKENFOLD.name))
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", *web(port).arguments],
        cwd=settings.BASE_DIR,
        env=process_env | {"OPSCONSOLE_DEMO": "1", "OPSCONSOLE_SANDBOX_URL": sandbox.url},
        preexec_fn=die_with_parent,
    )
    try:
        eventually(lambda: _answers(port), "the web server")
        yield f"http://{HOST}:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture
def browser(chromium) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=BROWSER_FLAGS)
        yield launched
        launched.close()


@dataclass
class Visits:
    """`page(login)` is an empty page with the person signed in. `complaints` are what browsers said of our pages."""

    page: Callable[[Login | None], Page]
    complaints: list[str]


@pytest.fixture
def visits(newcomer, console, browser) -> Iterator[Visits]:
    complaints: list[str] = []

    def listening(open_page: Callable[[Login | None], Page]) -> Callable[[Login | None], Page]:
        def page_of(login: Login | None) -> Page:
            page = open_page(login)
            page.on("console", lambda message: _note(complaints, message))
            page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
            return page

        return page_of

    with signed_in(browser, console) as open_page:
        yield Visits(page=listening(open_page), complaints=complaints)


def _note(complaints: list[str], message: ConsoleMessage) -> None:
    """Errors, and what the content security policy stopped. A refusal's own status is no fault."""
    refusal = message.text.startswith("Failed to load resource") and any(
        f"status of {status}" in message.text for status in (403, 404, 409, 422)
    )
    if message.type in ("error", "warning") and not refusal:
        complaints.append(f"{message.location.get('url', '')}: {message.text}")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
