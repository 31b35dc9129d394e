"""Pictures of every screen: the real console with the demo, on an installation of its own that is thrown away."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from opsconsole import embedded
from opsconsole.demo.browser import BROWSER_FLAGS, Login, signed_in
from opsconsole.demo.tour import screens
from opsconsole.embedded import ServerError
from opsconsole.embedded.places import Places
from opsconsole.run import HOST

if TYPE_CHECKING:  # only the development requirements bring it
    from playwright.sync_api import Page

THEMES = ("light", "dark")
WIDTHS = {1440: 900, 390: 844}  # -> height of the window; a picture is as high as its page
NEWCOMER = "ada@example.com"
NEWCOMERS_COMPANY = "Gauge Pottery Ltd"
SERVERS = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL")
OURS = {"OPSCONSOLE_DATA", "OPSCONSOLE_DEMO", "FILES_ROOT", "WEB_PORT", *SERVERS}


def take(folder: Path, say: Callable[[str], None]) -> int:
    """Write the pictures and return how many; those of an earlier run go."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise ServerError("chromium is not on the PATH. On Debian: apt-get install chromium.")
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in folder.glob("[0-9]*-*.png"):
        earlier.unlink()
    taken = 0
    with _console(say) as (base_url, newcomer), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER_FLAGS)
        with signed_in(browser, base_url) as page_of:
            for number, screen in enumerate(screens(newcomer), 1):
                say(screen.name)
                page = page_of(screen.person)
                page.set_viewport_size({"width": 1440, "height": 900})
                screen.open(page)
                for width, height in WIDTHS.items():
                    _fit(page, width, height)
                    for theme in THEMES:
                        page.emulate_media(color_scheme=theme)
                        page.screenshot(path=folder / f"{number:03}-{screen.name}-{width}-{theme}.png")
                        taken += 1
                page.close()
        browser.close()
    return taken


def _fit(page: Page, width: int, height: int) -> None:
    """A window as high as the page, so that what sticks to the window's edge is at the page's edge."""
    page.set_viewport_size({"width": width, "height": height})
    whole = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": max(height, whole)})


@contextmanager
def _console(say: Callable[[str], None]) -> Iterator[tuple[str, Login]]:
    """The console as `make run` starts it, with other data, on a free port; the login of a company without files."""
    with TemporaryDirectory(prefix="opsconsole-shots-") as data:
        given = {name: value for name, value in os.environ.items() if name not in OURS}
        environment = given | {"OPSCONSOLE_DATA": data, "WEB_PORT": str(_free_port())}
        say("Starting a console to photograph")
        try:
            _manage(environment, "migrate", "--verbosity=0")
            newcomer = add_newcomer(environment)
            with _running(environment) as base_url:
                yield base_url, newcomer
        finally:
            _manage(environment, "services", "stop")
            places = Places.of(Path(data))
            for place in (places.home, places.sockets):
                shutil.rmtree(place, ignore_errors=True)


def add_newcomer(environment: dict[str, str]) -> Login:
    """Somebody whose company has nothing in it yet."""
    about = ("--name=Ada Byron", f"--entity={NEWCOMERS_COMPANY}", "--role=finance")
    place = ("--country=GB", "--zone=Europe/London", "--currency=GBP")
    printed = _manage(environment, "add_person", NEWCOMER, *about, *place)
    return Login(email=NEWCOMER, password=printed.split(":")[-1].strip())


@contextmanager
def _running(environment: dict[str, str]) -> Iterator[str]:
    console = subprocess.Popen(
        [sys.executable, "manage.py", "run"],
        cwd=embedded.PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        printed = []
        for line in console.stdout:
            printed.append(line)
            if line.startswith("The console is at"):
                break
        else:
            raise ServerError(f"The console did not start:\n{''.join(printed)}")
        yield f"http://{HOST}:{environment['WEB_PORT']}"
    finally:
        console.send_signal(signal.SIGINT)
        console.communicate()


def _manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=embedded.PROJECT, env=environment, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise ServerError(f"`manage.py {arguments[0]}` failed:\n{done.stderr}")
    return done.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]
