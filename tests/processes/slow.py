"""An outside system that takes a second for a page."""

import time

from tests.integrations.things import Outside

FEED = "tests.slow-things"
PAGES = [{f"{page}-{number}": f"thing {number}" for number in range(20)} for page in range(6)]


class Slow(Outside):
    def __init__(self) -> None:
        super().__init__()
        self.pages = PAGES
        self.before_page = lambda number: time.sleep(1)
