"""What axe-core finds on a page as it stands. It runs beside the page's own scripts, so the page's policy need not let it in."""

from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page

SOURCE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
# From its top: what has gone half below the bar that stays there is no small target.
RUN = """([only, rules]) => {
  scrollTo(0, 0);
  return axe.run(document, { runOnly: only, rules, resultTypes: ["violations"], iframes: false, preload: false });
}"""
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# measure.js holds every text to the same contrast at each width, also over gradients and in pseudo-elements, where axe is unsure.
# axe takes three times as long for its own look at it as for all other rules together.
MEASURED = {"color-contrast": {"enabled": False}}
OF_A_LOOK = ["link-in-text-block", "scrollable-region-focusable", "target-size"]  # what another theme or width may change


def violations(page: Page) -> list[str]:
    page.evaluate(SOURCE)
    return _violations(page, {"type": "tag", "values": STANDARDS}, MEASURED)


def violations_of_look(page: Page) -> list[str]:
    """For a page that `violations` has looked at before."""
    return _violations(page, {"type": "rule", "values": OF_A_LOOK}, {})


def _violations(page: Page, only: dict, rules: dict) -> list[str]:
    return [
        f"{found['id']}: {found['help']}, {len(found['nodes'])} times, first in {found['nodes'][0]['html'][:120]}"
        for found in page.evaluate(RUN, [only, rules])["violations"]
    ]
