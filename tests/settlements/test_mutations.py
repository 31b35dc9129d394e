"""One line of a settlement file changed, dropped or there twice, 2,000 times: none is ever taken for the real one.

OPSCONSOLE_SEED repeats a run.
"""

import os
import random
import secrets
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from io import BytesIO

import pytest
from django.db import transaction

from apps.core.money import exponent
from apps.integrations.models import Connection
from apps.ledger.models import Journal
from apps.settlements.ingest import take_in
from apps.settlements.layout import COLUMNS, Unreadable
from apps.settlements.models import SettlementVersion
from apps.settlements.report import describe
from apps.settlements.rows import rows_hash
from tests.conftest import MUTATIONS
from tests.factories import StoredFileFactory
from tests.settlements.files import File, line
from tests.settlements.take import take

pytestmark = pytest.mark.django_db(transaction=True)
TIMES = 2000
FIRST_FILES = 400  # further ones, read as the first file of a settlement
PARTS = 4
AMOUNT = COLUMNS.index("amount")
STOPPED = {"held", "refused", "changed"}
FEES = ("Commission", "FBAPerUnitFulfillmentFee", "RefundCommission", "NewReturnFee")


@dataclass(frozen=True)
class Draw:
    """Chance that can be repeated."""

    seed: str
    rng: random.Random


@pytest.fixture
def draw(request) -> Draw:
    seed = os.environ.get("OPSCONSOLE_SEED") or str(secrets.randbits(32))
    return Draw(seed, random.Random(f"{seed} {request.node.name}"))


def generated(rng: random.Random, settlement_id: str) -> File:
    """Orders with their price, tax and fees over a month end; some lines are equal, some come to nothing."""
    lines = []
    for number in range(12):
        day = rng.choice(["25.10.2026", "31.10.2026", "01.11.2026"])
        order = {
            "order_id": f"202-{number:07}-0000001",
            "order_item_code": f"{7821148853890 + number}",
            "posted_date_time": f"{day} {rng.randrange(24):02}:15:00 UTC",
            "sku": rng.choice(["MUG-01", "MUG-02", "TEE-L"]),
        }
        price = rng.randrange(500, 9000)
        lines += [
            line(f"{price / 100:.2f}", **order),
            line(f"{price // 5 / 100:.2f}", amount_description="Tax", **order),
            line("0.00", amount_type="Promotion", amount_description="Shipping", **order),
            *(
                line(f"{-rng.randrange(1, 900) / 100:.2f}", amount_type="ItemFees", amount_description=fee, **order)
                for fee in rng.sample(FEES, 2)
            ),
        ]
    return File(settlement_id=settlement_id, lines=(*lines, lines[0]))


def dropped(rng: random.Random, rows: list[bytes], at: int) -> list[bytes]:
    return [*rows[:at], *rows[at + 1 :]]


def duplicated(rng: random.Random, rows: list[bytes], at: int) -> list[bytes]:
    place = rng.randrange(len(rows) + 1)
    return [*rows[:place], rows[at], *rows[place:]]


def with_the_other_sign(rng: random.Random, rows: list[bytes], at: int) -> list[bytes]:
    return _amount(rows, at, lambda text: text[1:] if text.startswith(b"-") else b"-" + text)


def with_another_digit(rng: random.Random, rows: list[bytes], at: int) -> list[bytes]:
    def change(text: bytes) -> bytes:
        place = rng.choice([place for place, char in enumerate(text) if chr(char).isdigit()])
        return text[:place] + str((text[place] - 48 + rng.randrange(1, 10)) % 10).encode() + text[place + 1 :]

    return _amount(rows, at, change)


def with_another_bit(rng: random.Random, rows: list[bytes], at: int) -> list[bytes]:
    """Anywhere in the line: a letter of a SKU, a day, a tab."""
    return [*rows[:at], _flipped(rng, rows[at]), *rows[at + 1 :]]


def with_another_bit_of_money(rng: random.Random, rows: list[bytes], at: int) -> list[bytes]:
    return _amount(rows, at, lambda text: _flipped(rng, text))


MONEY = (dropped, duplicated, with_the_other_sign, with_another_digit, with_another_bit_of_money)
ALL = (*MONEY, with_another_bit)


def _flipped(rng: random.Random, text: bytes) -> bytes:
    place = rng.randrange(len(text))
    return text[:place] + bytes([text[place] ^ 1 << rng.randrange(8)]) + text[place + 1 :]


def _amount(rows: list[bytes], at: int, change) -> list[bytes]:
    cells = rows[at].split(b"\t")
    return [*rows[:at], b"\t".join([*cells[:AMOUNT], change(cells[AMOUNT]), *cells[AMOUNT + 1 :]]), *rows[at + 1 :]]


def money(rows: list[bytes]) -> Decimal | None:
    """What the lines come to; None where an amount is none."""
    try:
        return sum((Decimal(row.split(b"\t")[AMOUNT].decode()) for row in rows[2:]), Decimal(0))
    except (InvalidOperation, IndexError, UnicodeDecodeError):
        return None


@pytest.fixture
def read(place: Connection):
    """Reads bytes as a file of the connection and leaves nothing; (verdict, the version that is taken then)."""
    stored = StoredFileFactory(connection=place)

    def read(content: bytes, settlement_id: str) -> tuple[str, int | None]:
        stream = BytesIO(content)
        with transaction.atomic():
            try:
                report = describe(stream, exponent)
                rows = rows_hash(stream, report, sha256(content).hexdigest())
                verdict = take_in(stream, report, rows, file=stored, actor=None, say=lambda words, read: None).status
            except Unreadable:
                verdict = "refused"
            taken = SettlementVersion.objects.filter(settlement__settlement_id=settlement_id, state="taken")
            found = (verdict, taken.values_list("pk", flat=True).first())
            transaction.set_rollback(True)
        return found

    return read


@pytest.mark.parametrize("part", range(PARTS))
def test_no_mutated_file_is_taken(place, draw, read, record_property, part):
    rng = draw.rng
    first, second = generated(rng, "30000000001"), generated(rng, "30000000002")
    assert take(place, first)["status"] == "taken"
    standing = SettlementVersion.objects.get(state="taken").pk
    journals = list(Journal.objects.order_by("pk").values_list("key", "lines_hash"))
    verdicts = Counter()

    whole = first.bytes().split(b"\n")[:-1]
    for _ in range(TIMES // PARTS):
        mutate = rng.choice(ALL)
        rows = mutate(rng, whole, rng.randrange(2 if mutate in MONEY else 0, len(whole)))
        verdict, taken = read(b"\n".join(rows) + b"\n", first.settlement_id)
        assert (verdict in STOPPED, taken) == (True, standing), f"seed {draw.seed}: {mutate.__name__}, {verdict}: {rows}"
        verdicts[f"{verdict} beside the first version"] += 1

    whole = second.bytes().split(b"\n")[:-1]
    while verdicts.total() < (TIMES + FIRST_FILES) // PARTS:
        mutate = rng.choice(MONEY)
        rows = mutate(rng, whole, rng.randrange(2, len(whole)))
        if money(rows) == money(whole):
            continue  # a line that comes to nothing: without an earlier file nobody can know of it
        verdict, taken = read(b"\n".join(rows) + b"\n", second.settlement_id)
        assert (verdict in STOPPED, taken) == (True, None), f"seed {draw.seed}: {mutate.__name__}, {verdict}: {rows}"
        verdicts[f"{verdict} as the first file"] += 1

    assert verdicts.total() == (TIMES + FIRST_FILES) // PARTS
    assert list(Journal.objects.order_by("pk").values_list("key", "lines_hash")) == journals
    record_property(MUTATIONS, (draw.seed, dict(verdicts)))


def test_the_files_that_were_not_mutated_are_taken_and_known(place, draw, read):
    first, second = generated(draw.rng, "30000000001"), generated(draw.rng, "30000000002")
    take(place, first)
    standing = SettlementVersion.objects.get(state="taken").pk
    assert read(first.bytes(), first.settlement_id) == ("known", standing)
    verdict, taken = read(second.bytes(), second.settlement_id)
    assert verdict == "taken" and taken
