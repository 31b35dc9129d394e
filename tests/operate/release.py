"""The data of a release, for the next one to be tried on. On an installation of the release with its demo in it:

    OPSCONSOLE_DATA=… python -m tests.operate.release

The lines of the two largest settlements are left out, to keep the file small.
"""

import lzma
import tempfile
from collections import Counter
from pathlib import Path

import django

PLACE = Path(__file__).parents[2] / "fixtures/release.sql.xz"
LINES = "public.settlements_settlementline"


def text() -> bytes:
    """SQL for psql."""
    return lzma.decompress(PLACE.read_bytes())


def without_the_largest(dump: str) -> str:
    head, _, rest = dump.partition(f"\nCOPY {LINES} (")
    columns, _, rest = rest.partition(") FROM stdin;\n")
    rows, _, tail = rest.partition("\\.\n")
    place = columns.split(", ").index("version_id")
    versions = {row: row.split("\t")[place] for row in rows.splitlines()}
    largest = {version for version, _ in Counter(versions.values()).most_common(2)}
    kept = "".join(f"{row}\n" for row, version in versions.items() if version not in largest)
    return f"{head}\nCOPY {LINES} ({columns}) FROM stdin;\n{kept}\\.\n{tail}"


if __name__ == "__main__":
    django.setup()
    from opsconsole.operate import pg_tools

    with tempfile.NamedTemporaryFile() as dump:
        pg_tools.run("pg_dump", "--no-owner", "--file", dump.name)
        sql = without_the_largest(Path(dump.name).read_text())
    PLACE.write_bytes(lzma.compress(sql.encode(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{PLACE}: {PLACE.stat().st_size:,} bytes")
