"""The console in Debian's chromium: a real web server on a database with the demo in it.

The demo is loaded once, and each test gets a fresh copy of its database below one web server and one browser. Playwright
holds an event loop as long as it runs, and Django refuses its database calls beside one: a test looks at pages alone.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest
from django.conf import settings
from django.db import connections
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from psycopg import sql

from opsconsole.demo.browser import BROWSER_FLAGS, Login, signed_in
from opsconsole.demo.shots import add_newcomer
from opsconsole.run import HOST, web
from opsconsole.supervisor import die_with_parent
from tests.children import environment
from tests.conftest import MEASURED
from tests.polling import eventually
from tests.sandbox.running import Running

LOAD = """
import django
django.setup()
from django.core.management import call_command
from apps.core.models import Entity
from opsconsole.demo.amazon import pull_all
from opsconsole.demo.people import BRACKENFOLD
call_command("load_demo")
pull_all(Entity.objects.get(name=BRACKENFOLD.name))
"""
expect.set_options(timeout=30_000)  # milliseconds: as long as the browser's other waits; a slow machine is no fault of the page


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(os.path.dirname(__file__)):
            item.add_marker(pytest.mark.browser)


@pytest.fixture
def measured(record_property) -> Callable[[str], None]:
    """Takes a line for each screen, theme and width; printed when all tests have run."""
    return lambda line: record_property(MEASURED, line)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Its path. REQUIRE_BROWSER=1 makes a missing one a failure."""
    found = shutil.which("chromium")
    if found is None:
        missing = "chromium is not on the PATH, so nothing was tried in a browser"
        pytest.fail(missing) if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip(missing)
    return found


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The demo with what Amazon's stand-in has brought, and a newcomer whose company is empty.

    `database` stays as it was loaded. A process with `env` runs on the `copy`.
    """

    database: str
    copy: str
    newcomer: Login
    env: dict[str, str]

    def renew(self) -> None:
        """A fresh copy. Who was connected to the one before connects anew with his next request."""
        _copy(self.database, self.copy)


@pytest.fixture(scope="package")
def demo(chromium, django_db_setup, sandbox_url) -> Iterator[Demo]:
    Running(url=sandbox_url).reset()
    empty = connections["default"].settings_dict["NAME"]
    database, copy = f"{empty}_demo", f"{empty}_browser"
    connections.close_all()  # nobody may be connected to what is copied
    _copy(empty, database)
    try:
        env = _env(database, sandbox_url)
        subprocess.run([sys.executable, "-c", LOAD], env=env, cwd=settings.BASE_DIR, check=True, stdout=subprocess.DEVNULL)
        yield Demo(database=database, copy=copy, newcomer=add_newcomer(env), env=_env(copy, sandbox_url))
    finally:
        _drop(database)
        _drop(copy)


@pytest.fixture(scope="package")
def web_server(demo) -> Iterator[str]:
    """Its address. Its database comes with the first test."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", *web(port).arguments], cwd=settings.BASE_DIR, env=demo.env, preexec_fn=die_with_parent
    )
    try:
        eventually(lambda: _answers(port), "the web server")
        yield f"http://{HOST}:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture(scope="package")
def browser(chromium) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=BROWSER_FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def console(demo, web_server) -> str:
    """The address of the console with the demo as it was loaded."""
    demo.renew()
    return web_server


@pytest.fixture
def process_env(demo) -> dict[str, str]:
    return demo.env


@pytest.fixture
def newcomer(demo) -> Login:
    return demo.newcomer


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
        f"status of {status}" in message.text for status in (403, 404, 409, 422, 429)
    )
    if message.type in ("error", "warning") and not refusal:
        complaints.append(f"{message.location.get('url', '')}: {message.text}")


def _env(database: str, sandbox_url: str) -> dict[str, str]:
    return environment(database) | {"OPSCONSOLE_DEMO": "1", "OPSCONSOLE_SANDBOX_URL": sandbox_url}


def _copy(database: str, to: str) -> None:
    _drop(to)
    _tell("CREATE DATABASE {} TEMPLATE {}", to, database)


def _drop(database: str) -> None:
    _tell("DROP DATABASE IF EXISTS {} WITH (FORCE)", database)


def _tell(statement: str, *databases: str) -> None:
    with psycopg.connect(settings.URLS["DATABASE_OWNER_URL"], autocommit=True) as server:
        server.execute(sql.SQL(statement).format(*map(sql.Identifier, databases)))


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
