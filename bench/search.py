"""Words looked for in a queue of 100,000 cases, against the same in one of 1,000, with as many results on the page."""

from collections.abc import Iterator, Mapping

from bench.figures import Row
from bench.queue import compared, filled

MANY, FEW = 100_000, 1_000
WORDS = {"a word that 20 cases have": "luxembourg", "a word that every case has": "pilot"}


def measure(environment: Mapping[str, str]) -> Iterator[Row]:
    """The row is that of the word with the worse ratio."""
    rows = []
    with filled(environment, {"Few": (FEW, FEW), "Many": (MANY, MANY)}) as ask:
        for what, word in WORDS.items():
            ours, theirs, queries = compared(ask, f"?q={word}")
            note = f"{MANY:,} cases against {FEW:,}, {what}, {queries} queries each"
            rows.append(Row(name="search", limit=2.0, unit="s", ours=ours, theirs=theirs, note=note))
    yield max(rows, key=lambda row: row.ratio)
