"""One cause has one fingerprint, whatever values it names; and only what was certainly not taken may be asked again."""

import string
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.platforms.models import Retry
from apps.platforms.rules import BACKOFF, LONGEST_CAUSE, fingerprint, judged, meaning_of, wait, without_people

NUMBERS = st.integers(0, 10**12).map(str)
IDS = st.from_regex(r"\A[A-Z]{1,4}-[0-9]{1,8}(-[A-Z0-9]{1,4})?\Z")
UUIDS = st.uuids().map(str)
DATES = st.datetimes().map(str)
SKUS = st.from_regex(r"\A[A-Z]{2,4}(-[A-Z]{1,8}){1,2}\Z")
VALUES = st.one_of(NUMBERS, IDS, SKUS, UUIDS, DATES.map(lambda text: text[:10]), st.emails())
QUOTABLE = st.text(string.ascii_letters + string.digits + " -_/", max_size=20)
PLAIN = st.text(string.ascii_lowercase, min_size=3, max_size=12)


@given(VALUES, VALUES)
def test_numbers_ids_and_addresses_count_for_nothing(one: str, other: str):
    says = "Order {} was refused by the ERP".format
    assert fingerprint("E1", says(one)) == fingerprint("E1", says(other))


@given(QUOTABLE, QUOTABLE, st.sampled_from(["''", '""', "“”", "‘’", "``", "[]", "«»"]))
def test_what_is_quoted_counts_for_nothing(one: str, other: str, marks: str):
    says = f"Can't find item {marks[0]}{{}}{marks[1]} in the chart".format
    assert fingerprint("", says(one)) == fingerprint("", says(other))


@given(PLAIN, PLAIN)
def test_other_words_are_another_cause(one: str, other: str):
    assert (fingerprint("", f"No {one} for 12") == fingerprint("", f"No {other} for 13")) == (one == other)


@given(PLAIN, PLAIN, st.text(max_size=200))
def test_another_code_is_another_cause(one: str, other: str, words: str):
    assert (fingerprint(one, words) == fingerprint(other, words)) == (one == other)


@given(st.text(max_size=1000), st.text(max_size=80))
def test_any_text_has_one_that_fits_and_names_no_number(words: str, code: str):
    assert len(fingerprint(code, words)) <= LONGEST_CAUSE
    assert not any(char.isdecimal() for char in fingerprint("", words))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Item 'BF-OAKTRAY' not found in company 12", "item … not found in company …"),
        ("Customer 9981: VAT id GB12 is not valid (run 2026-11-20T10:00:00Z)", "customer …: vat id … is not valid (run …:…:…)"),
        ("Item BF-OAKTRAY not found", "item … not found"),
        ("Items 12, 13 and A-7 have no price", "items … have no price"),
        ("POST https://erp.example/api/orders/17 answered 422", "post … answered …"),
        ("field sku=AB-12 is required", "field sku=… is required"),
        ("field order=12 is required", "field order=… is required"),
    ],
)
def test_as_real_platforms_say_it(words: str, expected: str):
    assert fingerprint("", words) == expected


@given(st.emails(), st.sampled_from(["+44 20 7946 0958", "0049 30 901820", "+1 (415) 555-0132"]))
def test_a_buyers_mail_and_phone_are_masked(mail: str, phone: str):
    said = without_people(f"Buyer {mail} ({phone}) of order 203-2816634-1180329 has no street")
    assert phone not in said and "@" not in said
    assert "order 203-2816634-1180329 has no street" in said


@pytest.mark.parametrize("number", ["0000123456", "0080012345", "000000000000123456", "00614141123452", "203-2816634-1180329"])
def test_an_erps_number_is_no_phone(number: str):
    assert without_people(f"Document {number} is blocked") == f"Document {number} is blocked"


@pytest.mark.parametrize(
    ("code", "words", "diagnosis"),
    [
        ("429", "Too Many Requests", "transient"),
        ("", "SSS_REQUEST_LIMIT_EXCEEDED: concurrent request limit", "transient"),
        ("503", "", "transient"),
        ("", "The request timed out", "transient"),
        ("401", "Unauthorized", "structural"),
        ("INVALID_KEY_OR_REF", "Invalid item reference key 17", "structural"),
        ("", "Please enter a value for: tax code is required", "structural"),
        ("", "Something went wrong", "unknown"),
    ],
)
def test_the_words_say_whose_it_looks_like(code: str, words: str, diagnosis: str):
    assert judged(code, words).diagnosis == diagnosis


@given(st.integers(100, 599), st.text(max_size=50))
def test_only_what_was_certainly_not_taken_leaves_again(status: int, words: str):
    meaning = meaning_of(status, words, "platform.example")
    assert (meaning.state == "waiting") == (status in (408, 425, 429, 503))
    assert meaning.state in {*Retry.State.values, "shut"}
    assert (meaning.state == "taken") == (200 <= status < 300)
    assert str(status) in meaning.words


@given(st.integers(1, 10), st.none() | st.timedeltas(timedelta(0), timedelta(days=2)))
def test_waits_grow_honour_the_answer_and_end(tries: int, asked: timedelta | None):
    pause = wait(tries, asked)
    assert (pause is None) == (tries > len(BACKOFF))
    if pause is not None:
        assert pause >= min(max(BACKOFF[tries - 1], asked or timedelta(0)), timedelta(hours=6))
