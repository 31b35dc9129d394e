"""The tie-out as a proof on paper."""

import re

from opsconsole.demo.browser import Login
from opsconsole.demo.people import PRIYA
from opsconsole.demo.story import UK_4

A4_MM = (210, 297)
POINTS = 72 / 25.4  # an inch
INNER_WIDTH = round((A4_MM[0] - 2 * 12) / 25.4 * 96)  # css pixels between the margins


def test_the_proof_is_a4_names_its_file_and_its_reader_and_loses_nothing(visits, tmp_path):
    page = visits.page(Login(email=PRIYA.email))
    page.goto(f"/settlements/{UK_4.number}/")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": INNER_WIDTH, "height": 900})

    paper = page.locator("body").inner_text()
    (sha256,) = re.findall(r"\b[0-9a-f]{64}\b", page.locator(".imprint").inner_text())
    said = page.locator(".imprint").inner_text()
    assert f"by {PRIYA.name}" in said and "Brackenfold Home Ltd" in said and "version 1, taken" in said
    assert paper.count(sha256) == 2, "at the head, and among what was checked"
    assert paper.count("Journal, ") >= 1 and "What was checked" in paper
    for frame in (".side", ".top", ".crumbs", ".tools", ".skip"):
        assert not any(part.is_visible() for part in page.locator(frame).all()), frame
    assert page.evaluate("document.documentElement.scrollWidth") <= INNER_WIDTH
    assert page.evaluate(WIDER_THAN_THE_PAPER) == []

    proof = page.pdf(path=tmp_path / "proof.pdf", prefer_css_page_size=True)
    boxes = {tuple(float(side) for side in box.split()) for box in re.findall(rb"/MediaBox \[([^\]]+)\]", proof)}
    assert [tuple(round(side / POINTS) for side in box[2:]) for box in boxes] == [A4_MM]
    assert 1 <= len(re.findall(rb"/Type /Page\b", proof)) <= 6
    assert visits.complaints == []


WIDER_THAN_THE_PAPER = """() => [...document.querySelectorAll("main *")]
  .filter((part) => part.getClientRects().length && part.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((part) => part.outerHTML.slice(0, 90))"""
