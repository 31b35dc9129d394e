"""Spreadsheets as nobody should send them, and as people do: each made up from a seed, with what must come of it."""

import io
import random
import string
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.imports.sheets import csv_of, xlsx

HEADER = ["Item", "Title", "EAN", "Pack"]
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
CYRILLIC = {"A": "А", "B": "В", "C": "С", "E": "Е", "H": "Н", "K": "К", "M": "М", "O": "О", "P": "Р", "T": "Т"}


@dataclass(frozen=True)
class Hostile:
    """`refused`: a pattern of the words, for a file that cannot be read at all; else which items are there after saving the
    good rows, {code: title}, and a pattern of the words for each row that is bad.
    """

    kind: str
    content: bytes
    refused: str = ""
    items: dict[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


class Maker:
    """Makes files whose item codes begin alike, so that no two files speak of one item."""

    def __init__(self, seed: int, number: int):
        self.random = random.Random(f"{seed}/{number}")
        self.prefix = f"H{number}"

    def code(self) -> str:
        return f"{self.prefix}-{''.join(self.random.choices(string.ascii_uppercase + string.digits, k=8))}"

    def rows(self) -> list[list]:
        return [
            [self.code(), f"Mug {n}", self.random.choice(["", "5060712350102"]), self.random.randint(1, 24)]
            for n in range(self.random.randint(1, 6))
        ]

    def book(self, rows: list[list]) -> bytes:
        return self.random.choice([xlsx, csv_of])(rows)


def items(rows: list[list]) -> dict[str, str]:
    return {row[0]: row[1] for row in rows}


# What cannot be read at all.


def garbage(make: Maker) -> Hostile:
    content = bytes(make.random.choices(range(128, 192), k=make.random.randint(1, 5000)))
    return Hostile("garbage", content, "not UTF-8 text|not known|Missing")


def nul(make: Maker) -> Hostile:
    content = csv_of([HEADER, *make.rows()])
    at = make.random.randrange(len(content))
    return Hostile("NUL", content[:at] + b"\0" + content[at:], "NUL|not known")


def latin(make: Maker) -> Hostile:
    rows = [*make.rows(), [make.code(), "Crème brûlée", "", 1]]
    return Hostile("latin-1", csv_of([HEADER, *rows], encoding="latin-1"), "not UTF-8 text")


def open_quote(make: Maker) -> Hostile:
    return Hostile("open quote", csv_of([HEADER, *make.rows()]) + b'X,"never closed,,1\n', "quotation mark left open")


def pdf(make: Maker) -> Hostile:
    return Hostile("PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + make.random.randbytes(200), "not UTF-8|not known|NUL")


def web_page(make: Maker) -> Hostile:
    return Hostile("HTML", f"<!doctype html><table><tr><td>{make.code()}</td></tr></table>".encode(), "not known.*Missing: Item")


def old_workbook(make: Maker) -> Hostile:
    return Hostile("xls", OLE + make.random.randbytes(2000), r"old kind \(\.xls\). Save it as \.xlsx")


def encrypted(make: Maker) -> Hostile:
    content = OLE + make.random.randbytes(1500) + "EncryptedPackage".encode("utf-16-le") + make.random.randbytes(200)
    return Hostile("encrypted", content, "protected by a password")


def truncated(make: Maker) -> Hostile:
    content = xlsx([HEADER, *make.rows()])
    return Hostile("truncated", content[: make.random.randrange(30, len(content) - 30)], "damaged")


def flipped(make: Maker) -> Hostile:
    """A byte of the packed sheet itself is another one."""
    content = bytearray(xlsx([HEADER, *make.rows()]))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        part = archive.getinfo("xl/worksheets/sheet1.xml")
    at = part.header_offset + 30 + len(part.filename) + make.random.randrange(5, part.compress_size - 5)
    content[at] ^= 0xFF
    return Hostile("flipped", bytes(content), "damaged")


def repacked(content: bytes, changes: dict[str, bytes | None]) -> bytes:
    """The workbook with parts replaced, added, or (None) left out."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name not in changes:
                new.writestr(name, old.read(name))
        for name, part in changes.items():
            if part is not None:
                new.writestr(name, part)
    return packed.getvalue()


def zip_of_text(make: Maker) -> Hostile:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("items.csv", csv_of([HEADER, *make.rows()]))
    return Hostile("zip", packed.getvalue(), "no Excel workbook")


def macros(make: Maker) -> Hostile:
    content = repacked(xlsx([HEADER, *make.rows()]), {"xl/vbaProject.bin": make.random.randbytes(100)})
    return Hostile("macros", content, "has macros")


def bomb(make: Maker) -> Hostile:
    name = make.random.choice(["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/media/image1.png", "xl/styles.xml"])
    blown = b"\0" * make.random.randrange(17 * 2**20, 50 * 2**20)
    return Hostile("zip bomb", repacked(xlsx([HEADER, *make.rows()]), {name: blown}), "far larger|damaged")


def many_parts(make: Maker) -> Hostile:
    parts = {f"xl/p{n}.bin": b"" for n in range(1200)}
    return Hostile("many parts", repacked(xlsx([HEADER, *make.rows()]), parts), "no spreadsheet program packs")


def entities(make: Maker) -> Hostile:
    bomb = b'<!DOCTYPE x [<!ENTITY a "%s">' % make.code().encode() + b"".join(
        b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(8)
    )
    part = b'<?xml version="1.0"?>' + bomb + b"]><worksheet>&i;</worksheet>"
    return Hostile("entities", repacked(xlsx([HEADER]), {"xl/worksheets/sheet1.xml": part}), "document type")


def sheet_of(cells: str, dimension: str = "A1:D9") -> bytes:
    """A sheet's XML as no program writes it."""
    return (
        '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f'<dimension ref="{dimension}"/><sheetData>{cells}</sheetData></worksheet>'
    ).encode()


def inline(row: int, values: list, first: str = "A") -> str:
    cells = "".join(
        f'<c r="{chr(ord(first) + n)}{row}" t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>'
        for n, value in enumerate(values)
    )
    return f'<row r="{row}">{cells}</row>'


def far_row(make: Maker) -> Hostile:
    row = make.random.choice([1_048_577, 99_999_999, 2**40])
    cells = inline(1, HEADER) + inline(row, [make.code(), "Mug", "", 1])
    return Hostile("far row", repacked(xlsx([HEADER]), {"xl/worksheets/sheet1.xml": sheet_of(cells)}), "A sheet has")


def far_column(make: Maker) -> Hostile:
    cells = inline(1, HEADER) + f'<row r="2"><c r="XFD2"><v>{make.random.randrange(10**9)}</v></c></row>'
    return Hostile("far column", repacked(xlsx([HEADER]), {"xl/worksheets/sheet1.xml": sheet_of(cells)}), "too wide")


def lost_strings(make: Maker) -> Hostile:
    cells = inline(1, HEADER) + f'<row r="2"><c r="A2" t="s"><v>{make.random.randrange(1000, 10**9)}</v></c></row>'
    return Hostile("lost strings", repacked(xlsx([HEADER]), {"xl/worksheets/sheet1.xml": sheet_of(cells)}), "damaged")


def no_sheet(make: Maker) -> Hostile:
    return Hostile("no sheet", repacked(xlsx([HEADER]), {"xl/worksheets/sheet1.xml": None, "x": make.code()}), "damaged|no sheet")


def too_wide(make: Maker) -> Hostile:
    return Hostile("too wide", make.book([HEADER, [make.code(), "Mug", "", *["x"] * 150]]), "too wide")


def huge_cell(make: Maker) -> Hostile:
    return Hostile("huge cell", csv_of([HEADER, [make.code(), "x" * 40_000, "", 1]]), "holds 40,000 characters")


def twice_named(make: Maker) -> Hostile:
    return Hostile("twice", make.book([[*HEADER, "item"], *make.rows()]), "Columns A and E are both called item")


def unnamed_key(make: Maker) -> Hostile:
    return Hostile("missing", make.book([HEADER[1:], *make.rows()]), "Missing: Item")


def misspelt(make: Maker) -> Hostile:
    return Hostile("misspelt", make.book([["Item", "Title", "EAM", "Pack"], *make.rows()]), "“EAM” is not known. Nearest: EAN")


def no_header(make: Maker) -> Hostile:
    return Hostile("no header", make.book(make.rows()), "not known.*Missing|Missing")


# What people do, and Excel to them: the good rows are saved, and each bad one says why.

BAD_CODES: dict[str, Callable[[Maker], object]] = {
    "Excel shortened it": lambda make: f"{make.random.uniform(1, 9):.5f}E+{make.random.randint(9, 14)}",
    "A space at the end": lambda make: make.code() + " " * make.random.randint(1, 3),
    "A space at the beginning": lambda make: " " + make.code(),
    "non-breaking space": lambda make: make.code().replace("-", "\u00a0", 1),
    "cannot be seen": lambda make: make.code() + make.random.choice("\u200b\u200d\ufeff\u2060\x07"),
    "Cyrillic": lambda make: make.code() + make.random.choice(list(CYRILLIC.values())),
    "characters. Expected 60": lambda make: make.code() * 8,
    "A formula": lambda make: "=HYPERLINK(A1)",
}
BAD_NUMBERS = ["12 x 1", "0", "-3", "1.5", "1e3", "99999999999", "٣", "1,000", "yes", "½"]


def bad_codes(make: Maker) -> Hostile:
    rows, (words, bad) = make.rows(), make.random.choice(list(BAD_CODES.items()))
    code = bad(make)
    write = csv_of if "\x07" in code else make.book  # no workbook can hold a control character
    return Hostile("bad code", write([HEADER, *rows, [code, "Mug", "", 1]]), items=items(rows), faults=(words,))


def bad_numbers(make: Maker) -> Hostile:
    rows = make.rows()
    bad = [[make.code(), "Mug", "", value] for value in make.random.sample(BAD_NUMBERS, 3)]
    faults = ("whole number of eaches",) * 3
    return Hostile("bad number", make.book([HEADER, *bad, *rows]), items=items(rows), faults=faults)


def numbers_for_text(make: Maker) -> Hostile:
    rows = make.rows()
    bad = [[5.06071e12, "Mug", "", 1], [make.code(), "Mug", 60712350102, 1], [make.random.randint(10**16, 10**17), "x", "", 1]]
    faults = ("shortened", "11 digits", "shortened")
    return Hostile("numbers", xlsx([HEADER, *rows, *bad]), items=items(rows), faults=faults)


def two_answers(make: Maker) -> Hostile:
    rows, code = make.rows(), make.code()
    pair = [[code, "Mug", "", 1], [code, "Cup", "", 1]]
    content = make.book([HEADER, pair[0], *rows, pair[1]])
    return Hostile("two answers", content, items=items(rows), faults=("another answer",) * 2)


def unnamed_column(make: Maker) -> Hostile:
    rows = make.rows()
    content = make.book([HEADER, *rows, [make.code(), "Mug", "", 1, "a remark"]])
    return Hostile("unnamed column", content, items=items(rows), faults=("no name in the first row",))


# What looks odd and is right.


def shuffled(make: Maker) -> Hostile:
    rows, order = make.rows(), make.random.sample(range(4), 4)
    header = [make.random.choice([str.upper, str.lower, lambda name: f"  {name} "])(HEADER[place]) for place in order]
    return Hostile("shuffled", make.book([header, *([row[place] for place in order] for row in rows)]), items=items(rows))


def encoded(make: Maker) -> Hostile:
    rows = [[make.code(), title, "", 1] for title in ("Crème brûlée", "Tasse „groß“", "Line one\nline two; a, b\tc")]
    content = csv_of(
        [HEADER, *rows], delimiter=make.random.choice(",;\t"), encoding=make.random.choice(["utf-8", "utf-8-sig", "utf-16"])
    )
    return Hostile("encoded", content, items=items(rows))


def blank_rows(make: Maker) -> Hostile:
    rows = make.rows()
    spread = [each for row in rows for each in (row, *[["", None, ""]] * make.random.randint(0, 3))]
    return Hostile("blank rows", make.book([[], HEADER, *spread, [], []]), items=items(rows))


def defused(make: Maker) -> Hostile:
    rows = [[make.code(), f"'{sign}1+1", "", 1] for sign in "=+-@"]
    return Hostile("defused", make.book([HEADER, *rows]), items={row[0]: row[1][1:] for row in rows})


def lying_size(make: Maker) -> Hostile:
    rows = make.rows()
    cells = "".join(inline(n, row) for n, row in enumerate([HEADER, *rows], start=1))
    dimension = make.random.choice(["A1", "A1:XFD1048576", "A1:B2"])
    content = repacked(xlsx([HEADER]), {"xl/worksheets/sheet1.xml": sheet_of(cells, dimension)})
    return Hostile("lying size", content, items=items(rows))


def misnamed(make: Maker) -> Hostile:
    rows = make.rows()
    return Hostile("own error column", make.book([[*HEADER, "Error"], *([*row, "was bad"] for row in rows)]), items=items(rows))


KINDS: list[Callable[[Maker], Hostile]] = [
    garbage, nul, latin, open_quote, pdf, web_page, old_workbook, encrypted, truncated, flipped, zip_of_text, macros, bomb,
    many_parts, entities, far_row, far_column, lost_strings, no_sheet, too_wide, huge_cell, twice_named, unnamed_key,
    misspelt, no_header, bad_codes, bad_numbers, numbers_for_text, two_answers, unnamed_column, shuffled, encoded,
    blank_rows, defused, lying_size, misnamed,
]  # fmt: skip


def files(seed: int, count: int = 200) -> list[Hostile]:
    """Every kind, again and again, each time another file."""
    return [KINDS[number % len(KINDS)](Maker(seed, number)) for number in range(count)]


def worst(rows: int = 100_000) -> bytes:
    """As much as may come: every cell a long text of its own, in as many rows as are taken."""
    words, sheet = io.StringIO(), io.StringIO()
    for row in range(rows + 1):
        cells = [f"W-{row:06d}-{'x' * 40}", f"Title of item {row} {'y' * 100}", f"{row:013d}", f"B{row:09d}"]
        for text in cells if row else ["Item", "Title", "EAN", "ASIN"]:
            words.write(f"<si><t>{text}</t></si>")
        numbers = range(row * 4, row * 4 + 4)
        sheet.write(f'<row r="{row + 1}">{"".join(f"""<c t="s"><v>{n}</v></c>""" for n in numbers)}</row>')
    table = (
        '<?xml version="1.0"?><sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f"{words.getvalue()}</sst>"
    )
    book = xlsx([HEADER])
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        types = archive.read("[Content_Types].xml").decode()
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    types = types.replace("</Types>", f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>')
    parts = {
        "[Content_Types].xml": types.encode(),
        "xl/worksheets/sheet1.xml": sheet_of(sheet.getvalue()),
        "xl/sharedStrings.xml": table.encode(),
    }
    return repacked(book, parts)
