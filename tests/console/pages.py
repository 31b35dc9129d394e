"""What a reader finds on a page: its heading, its links, and what a strict Content-Security-Policy would block."""

from html.parser import HTMLParser

from django.http import HttpResponse


class Page(HTMLParser):
    """Links as (words, address); `inline` names whatever the policy would block."""

    def __init__(self, response: HttpResponse):
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.inline: list[str] = []
        self.ids: list[str] = []
        self.heading = ""
        self.raw = ""
        self._open: list[str] = []
        self._href: str | None = None
        self._words = ""
        self.feed(response.content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._open.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a" and "href" in given:
            self._href, self._words = given["href"], ""
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._href is not None:
            self.links.append((" ".join(self._words.split()), self._href))
            self._href = None
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        self._words += data
        if "h1" in self._open:
            self.heading = " ".join(f"{self.heading}{data}".split(" "))
        if "pre" in self._open:
            self.raw += data

    def linked(self, words: str) -> str:
        """The address behind the one link with these words."""
        (found,) = {href for text, href in self.links if text == words}
        return found
