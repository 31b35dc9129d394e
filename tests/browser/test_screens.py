"""Every screen, in both themes and three widths: nothing scrolls sideways, every text can be read, none complains,
and axe-core finds no violation.
"""

from pathlib import Path

import pytest
from playwright.sync_api import Error

from opsconsole.demo.shots import THEMES
from opsconsole.demo.tour import screens
from tests.browser.axe import violations, violations_of_look

WIDTHS = (1440, 390, 320)
HEIGHT = 900
AXE = {("light", 1440): violations, ("dark", 390): violations_of_look}
MEASURE = (Path(__file__).parent / "measure.js").read_text()


def test_every_screen_fits_and_can_be_read(visits, newcomer, measured):
    faults = []
    for screen in screens(newcomer):
        page = visits.page(screen.person)
        page.set_viewport_size({"width": 1440, "height": HEIGHT})
        try:
            screen.open(page)
        except Error as error:
            error.add_note(f"On the way to the screen {screen.name}")
            raise
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": HEIGHT})
                found = page.evaluate(MEASURE)
                where = f"{screen.name:<28}{theme:<7}{width:>5}"
                measured(f"{where}  {found['texts']:>5} texts, contrast at least {found['least']:.2f}")
                faults += [f"{where}  {fault}" for fault in dict.fromkeys(found["faults"])]
                if found["sideways"] > 0:
                    faults.append(f"{where}  scrolls sideways by {found['sideways']} px: {', '.join(found['out'])}")
                if found["hidden"]:
                    faults.append(f"{where}  hides what sticks out instead of making room for it")
                if look := AXE.get((theme, width)):
                    faults += [f"{where}  axe, {fault}" for fault in look(page)]
                if not found["texts"]:
                    faults.append(f"{where}  has no text")
        page.close()
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)
    assert visits.complaints == []
