"""The parser alone: every oddity of real files (settlement-vocabulary 1 and 4), and words for what cannot be read."""

import io
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.money import exponent
from apps.settlements import raw as raw_bytes
from apps.settlements import report, rows
from apps.settlements.layout import COLUMNS, Unreadable
from tests.settlements.files import SALE, File, line


def read(raw: bytes) -> tuple[report.Report, pl.DataFrame]:
    stream = io.BytesIO(raw)
    found = report.describe(stream, exponent)
    withheld = rows.withheld_items(stream, found)
    frames = [frame for frame, _ in rows.frames(stream, found, withheld, exponent(found.currency))]
    return found, pl.concat(frames)


def refusal(raw: bytes) -> Unreadable:
    with pytest.raises(Unreadable) as refused:
        read(raw)
    return refused.value


LINE_ENDS = pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])


@LINE_ENDS
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_line_ends_and_bom_change_nothing(line_end, encoding):
    found, frame = read(File(line_end=line_end, encoding=encoding).bytes())
    assert (found.total, frame["amount"].sum(), frame["line"].to_list()) == (
        Decimal("105.00"),
        Decimal("105.00"),
        [3, 4, 5],
    )
    assert frame["order_item_code"][0] == "07821148853890"


@LINE_ENDS
def test_the_offset_of_each_line_finds_its_raw_bytes(line_end):
    raw = File(line_end=line_end, lines=(line("1.00", sku="Größe-é"), *SALE)).bytes()
    raw = raw.replace(line_end.encode(), line_end.encode() * 2, 2)  # blank lines in between
    found, frame = read(raw)
    for number, offset in frame.select("line", "byte_offset").rows():
        assert raw_bytes.raw_line(io.BytesIO(raw), offset, found.line_end) == raw.split(line_end.encode())[number - 1]


def test_control_characters_within_a_field_are_kept_and_a_stray_cr_is_a_blank():
    raw = File(lines=(line("1.00", sku="A\x01B"), line("2.00", sku="C\rD"))).bytes().replace(b"\n", b"\r\n")
    raw = raw.replace(b"\r\n", b"\n", 1)  # a header whose line end another program changed
    found, frame = read(raw)
    assert (found.line_end, frame["sku"].to_list()) == ("LF", ["A\x01B", "C D"])
    for number, offset in frame.select("line", "byte_offset").rows():
        assert raw_bytes.raw_line(io.BytesIO(raw), offset, found.line_end) == raw.split(b"\n")[number - 1]


def test_equal_rows_have_one_hash_whatever_bom_line_ends_and_blank_lines():
    import hashlib

    plain = File().bytes()
    others = [File(line_end="\r\n").bytes(), File(line_end="\r").bytes(), File(encoding="utf-8-sig").bytes(),
              plain.replace(b"\n", b"\n\n"), plain.removesuffix(b"\n"),
              plain.replace(b"\n", b"\r\n").replace(b"\r\n", b"\n", 1)]  # fmt: skip

    def rows_hash(raw: bytes) -> str:
        stream = io.BytesIO(raw)
        return rows.rows_hash(stream, report.describe(stream, exponent), hashlib.sha256(raw).hexdigest())

    assert {rows_hash(raw) for raw in others} == {rows_hash(plain)}
    assert rows_hash(File(lines=SALE[::-1]).bytes()) != rows_hash(plain)


@pytest.mark.parametrize(
    ("start", "posted", "comma", "styles"),
    [
        ("2026-10-24 00:00:00 UTC", "2026-10-26 12:00:00 UTC", False, ("2026-12-31", "1.00")),
        ("24.10.2026 00:00:00 UTC", "26.10.2026 12:00:00 UTC", True, ("31.12.2026", "1,00")),
        ("2026-10-24 00:00:00 UTC", "2026-10-26 12:00:00 UTC", True, ("2026-12-31", "1,00")),
    ],
)
def test_date_style_and_decimal_style_are_detected_independently(start, posted, comma, styles):
    dates = dict.fromkeys(("start", "end", "deposit"), start)
    found, frame = read(File(**dates, comma=comma, lines=(line("12.34", posted_date_time=posted),)).bytes())
    assert (found.date_style, found.decimal_style) == styles
    assert frame["amount"].to_list() == [Decimal("12.34")]
    assert str(frame["posted_at"][0]) == "2026-10-26 12:00:00"


def test_identical_lines_are_kept_blanks_in_numbers_are_not_and_totals_may_be_negative():
    _, frame = read(File(lines=(line("-7.50 "), line("-7.50 "), line("0.00"))).bytes())
    assert frame["amount"].to_list() == [Decimal("-7.50"), Decimal("-7.50"), Decimal("0.00")]


def test_a_japanese_file_is_shift_jis_and_its_yen_have_no_decimals():
    yen = File(currency="JPY", encoding="shift_jis", lines=(line("1200", amount_description="ポイント表示"),))
    found, frame = read(yen.bytes())
    assert (found.encoding, frame["amount-description"][0], frame["amount"][0]) == (
        "Shift_JIS",
        "ポイント表示",
        Decimal(1200),
    )
    assert (
        refusal(yen.but(lines=(line("12.50"),), total="12.50", encoding="utf-8").bytes()).reason == "amount-unreadable"
    )


def test_what_is_not_utf_8_is_windows_1252():
    found, frame = read(File(encoding="cp1252", lines=(line("1.00", sku="Café"),)).bytes())
    assert (found.encoding, frame["sku"][0]) == ("cp1252", "Café")


def test_an_extra_column_is_kept_by_name():
    found, frame = read(File(extra={"regulatory-note": "x"}).bytes())
    assert (found.extra_columns, frame.height) == (("regulatory-note",), 3)


def test_extra_columns_have_the_name_in_the_file_or_their_place():
    unnamed = b"".join(row + b"\t\t\n" for row in File(extra={"größe": ""}).bytes().splitlines())
    assert read(unnamed)[0].extra_columns == ("größe", "column 26", "column 27")


def test_columns_may_stand_in_another_order():
    assert read(File(columns=COLUMNS[::-1]).bytes())[1]["amount"].sum() == Decimal("105.00")


def test_treatment_follows_the_withheld_line_of_the_same_item():
    item = dict(order_id="1", order_item_code="7")
    _, frame = read(File(lines=(
        line("100.00", **item), line("20.00", amount_description="Tax", **item), line("-15.00", amount_type="ItemFees", **item),
        line("-20.00", amount_type="itemwithheldTAX", amount_description="MarketplaceFacilitatorVAT-Principal", **item),
        line("50.00", order_id="2"), line("0.00", order_id="2", amount_type="ItemWithheldTax"),
        line("-5.00", amount_type="Promotion", **item), line("9.00", transaction_type="Refund", **item),
        line("1.00", transaction_type="ORDER", **item),
    )).bytes())  # fmt: skip
    assert frame["treatment"].to_list() == [
        "facilitator", "facilitator", "none", "facilitator", "seller", "seller", "facilitator", "seller", "facilitator"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "reason", "number", "says"),
    [
        (File(lines=(*SALE, line("twelve")), total="1.00"), "amount-unreadable", 6, "“twelve”"),
        (File(lines=(line(""),), total="1.00"), "amount-unreadable", 3, "amount"),
        (File(lines=(line("1,00"),), total="1.00"), "amount-unreadable", 3, "“1,00”"),
        (File(lines=(line("1.005"),), total="1.00"), "amount-unreadable", 3, "“1.005”"),
        (File(lines=(line("1.00", posted_date_time="10/26/2026"),)), "date-unreadable", 3, "posted-date-time"),
        (File(lines=(line("1.00", posted_date_time="31.02.2026 00:00:00 UTC"),)), "date-unreadable", 3, "31.02.2026"),
        (File(lines=(line("1.00", quantity_purchased="1.5"),)), "quantity-unreadable", 3, "“1.5”"),
        (File(lines=(line("1.00", order_item_code="7.82115E+12"),)), "resaved-by-spreadsheet", 3, "7.82115E+12"),
        (File(lines=(line("1.00", settlement_id="9"),)), "other-settlement", 3, "“9”"),
        (File(lines=(line("1.00", currency="EUR"),)), "other-currency", 3, "“EUR”"),
        (File(lines=(line("1.00", total_amount="1.00"),)), "second-summary", 3, "total-amount"),
        (File(columns=tuple(name for name in COLUMNS if name != "amount")), "column-missing", 1, "amount"),
        (
            File(columns=tuple(name.replace("posted-date-time", "posted-at") for name in COLUMNS)),
            "column-missing",
            1,
            "posted-at",
        ),
        (File(columns=(*COLUMNS, "sku")), "column-twice", 1, "sku"),
        (File(extra={"z" * 121: "x"}), "column-too-long", 1, "zzz…"),
        (File(settlement_id=""), "settlement-id-unreadable", 2, "“”"),
        (File(settlement_id="9" * 41), "settlement-id-unreadable", 2, "40"),
        (File(lines=(line("1.00", sku="MUG\0"),)), "not-text", 3, "NUL"),
        (File(lines=(line("1.00", order_id="9" * 121),)), "field-too-long", 3, "120"),
        (File(lines=(line("1" * 500),), total="1.00"), "amount-unreadable", 3, f"“{'1' * 60}”"),
        (File(lines=(line("\u0661.00"),), total="1.00"), "amount-unreadable", 3, "\u0661"),
        (File(lines=(line("1.00", quantity_purchased="\uff11"),)), "quantity-unreadable", 3, "\uff11"),
        (File(lines=(line("1.200"),), total="1.20"), "amount-unreadable", 3, "“1.200”"),
        (File(currency="JPY", lines=(line("1.000"),), total="1"), "amount-unreadable", 3, "“1.000”"),
        (File(lines=(line("1.00", posted_date_time="26.10.26 12:00:00 UTC"),)), "date-unreadable", 3, "26.10.26"),
        (File(end="07.11.9999 00:00:00 UTC"), "date-unreadable", 2, "9999"),
        (File(start="Oct 24, 2026"), "date-unreadable", 2, "Oct 24, 2026"),
        (File(total=""), "no-summary", 2, "total-amount"),
        (File(lines=()).but(total="0.00", start="x"), "date-unreadable", 2, "“x”"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(file, reason, number, says):
    refused = refusal(file.bytes())
    assert (refused.reason, refused.line) == (reason, number)
    assert says in refused.words


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"PK\x03\x04 a workbook", "resaved-by-spreadsheet"),
        (File().text().encode("utf-16"), "encoding-unknown"),
        (File().bytes().replace(b"\t", b","), "resaved-by-spreadsheet"),
        (b'"Includes Amazon Marketplace"\n"date/time","settlement id"\n', "layout-date-range"),
        (b"settlement-id\tprice-type\tprice-amount\n", "layout-v1"),
        (b"order-id\tsku\n1\t2\n", "not-a-settlement"),
        (File().bytes().split(b"\n")[0] + b"\n", "no-summary"),
        (File().bytes().rsplit(b"\t", 3)[0] + b"\n", "line-broken"),
    ],
)
def test_other_layouts_and_damaged_files_are_refused_by_name(raw, reason):
    assert refusal(raw).reason == reason


def test_a_line_across_the_edge_of_two_blocks_is_whole(monkeypatch):
    monkeypatch.setattr(raw_bytes, "BLOCK", 700)
    raw = File(lines=SALE * 40, line_end="\r\n").bytes()
    _, frame = read(raw)
    assert (frame.height, frame["amount"].sum(), frame["line"][-1]) == (120, Decimal("4200.00"), 122)


@given(
    st.lists(st.decimals("-99999.99", "99999.99", places=2), min_size=1),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
def test_every_amount_arrives_to_the_cent(amounts, line_end, comma):
    found, frame = read(
        File(lines=tuple(line(f"{amount:f}") for amount in amounts), line_end=line_end, comma=comma).bytes()
    )
    assert frame["amount"].to_list() == amounts
    assert found.total == sum(amounts)
