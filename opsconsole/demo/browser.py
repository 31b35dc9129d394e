"""The demo's people in a browser: how it is started, and how each signs in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opsconsole.demo.people import PASSWORD

if TYPE_CHECKING:  # only the development requirements bring it
    from playwright.sync_api import Browser, BrowserContext, Page

# What a small container lacks, and what a browser does on its own account.
BROWSER_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True, kw_only=True)
class Login:
    email: str
    password: str = PASSWORD


def sign_in(page: Page, login: Login) -> None:
    page.goto("/login/")
    fill_in(page, login)
    page.wait_for_url(lambda url: "/login/" not in url)


def fill_in(page: Page, login: Login) -> None:
    """The sign-in page, and send it."""
    page.get_by_label("E-mail").fill(login.email)
    page.get_by_label("Password").fill(login.password)
    page.get_by_role("button", name="Sign in").click()


@contextmanager
def signed_in(browser: Browser, base_url: str) -> Iterator[Callable[[Login | None], Page]]:
    """A function that gives an empty page in which the person is signed in. Each signs in once."""
    contexts: dict[Login, BrowserContext] = {}

    def stranger() -> BrowserContext:
        # Nothing moves, so that a screen is complete when it is there.
        return browser.new_context(base_url=base_url, reduced_motion="reduce", locale="en-GB")

    def page_of(login: Login | None) -> Page:
        if login is None:
            return stranger().new_page()
        if login not in contexts:
            contexts[login] = stranger()
            page = contexts[login].new_page()
            sign_in(page, login)
            page.close()
        return contexts[login].new_page()

    try:
        yield page_of
    finally:
        for context in browser.contexts:
            context.close()
