"""Pictures, their tables and their files say the same figures, which are those of the database; and only of one's own queues."""

import csv
import io
import re
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection as database
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.console.pictures import CEILING, FLOOR
from apps.core.models import AuditEntry
from apps.core.permissions import Role, Team
from apps.exceptions.models import State
from tests.console.conftest import Company, signed_in
from tests.console.pages import Page
from tests.factories import CaseFactory, EntityFactory, person

DAY = timedelta(days=1)
KIND = "file.layout-unknown"
FACTS = {"file": "march.txt", "words": "Line 1 has no header.", "sha256": "00", "connection_id": 1}


def rows_of(response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))


def tables(body: str) -> list[list[list[str]]]:
    """Of each table the words of its rows."""
    found = []
    for table in re.findall(r"<table.*?</table>", body, re.S):
        rows = re.findall(r"<tr.*?</tr>", table, re.S)
        cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in rows]
        found.append([[re.sub(r"<[^>]+>", " ", cell).strip() for cell in row] for row in cells])
    return found


def drawn(body: str) -> list[list[Decimal]]:
    """Of each line of each picture its figures, read back from where its points are."""
    found = []
    for svg in re.findall(r"<svg[^>]*role=\"img\".*?</svg>", body, re.S):
        top = max(Decimal(re.sub(r"[^\d.]", "", each)) for each in re.findall(r'text-anchor="end">([^<]+)<', svg))
        for points in re.findall(r'polyline points="([^"]+)"', svg):
            heights = [FLOOR - float(point.split(",")[1]) for point in points.split()]
            found.append([(top * Decimal(height) / (FLOOR - CEILING)).quantize(Decimal(1)) for height in heights])
    return found


def asked(sql: str, *values) -> list[tuple]:
    with database.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


def amount(words: str) -> Decimal:
    return Decimal(words.replace("−", "-").replace("£", "").replace(",", ""))


@pytest.fixture
def entity(db):
    return EntityFactory(name="Brackenfold Home Ltd", zone="Europe/London")


def a_month_of_cases(entity, team: Team = Team.FINANCE) -> None:
    now = timezone.now()
    for number in range(24):
        at = now - DAY * number
        state = (State.CLEARED, State.RESOLVED, State.CLEARED, State.OPEN)[number % 4]
        over = None if state == State.OPEN else now - DAY * (number // 2)
        stake = Decimal(10 * number)
        case = CaseFactory(
            entity=entity, team=team, type=KIND, state=state, opened_at=at, ended_at=over, stake=stake, lines=1,
            facts=FACTS, holds_back=False
        )
        AuditEntry.objects.create(
            actor_name="opsconsole", entity=entity, verb="case.opened", subject=case.audit_subject, at=at,
            after={"lines": 1, "stake": str(stake), "currency": "GBP"},
        )  # fmt: skip


def test_picture_table_file_and_database_say_the_same(entity):
    a_month_of_cases(entity)
    client = signed_in(person(Role.FINANCE, entity))
    response = client.get(reverse("trends"))
    body = response.content.decode()
    flow, stakes = tables(body)
    opened, fixed, healed, dismissed, at_stake = drawn(body)
    file = rows_of(client.get(reverse("flow_file")))
    days = asked(
        "SELECT (now() AT TIME ZONE 'Europe/London')::date - n, count(*) FILTER (WHERE opened_at::date = day.on),"
        " count(*) FILTER (WHERE ended_at::date = day.on AND state = 'resolved'),"
        " count(*) FILTER (WHERE ended_at::date = day.on AND state = 'cleared')"
        " FROM generate_series(27, 0, -1) n, LATERAL (SELECT (now() AT TIME ZONE 'Europe/London')::date - n AS on) day,"
        " LATERAL (SELECT state, opened_at AT TIME ZONE 'Europe/London' AS opened_at,"
        "  ended_at AT TIME ZONE 'Europe/London' AS ended_at FROM exceptions_case) c GROUP BY 1 ORDER BY 1"
    )
    assert len(days) == len(opened) == 28
    assert [tuple(map(int, each)) for each in zip(opened, fixed, healed, dismissed, strict=True)] == [
        (came, by_person, by_itself, 0) for _, came, by_person, by_itself in days
    ]
    assert [(row["day"], row["opened"], row["fixed"], row["healed"]) for row in file] == [
        tuple(map(str, day)) for day in days
    ]
    head, *newest_first, together = flow
    assert [row[1:4] for row in reversed(newest_first)] == [[str(figure) for figure in day[1:]] for day in days]
    assert together[1:4] == ["24", "6", "12"] and head[1:4] == ["Opened", "Fixed by a person", "Healed by itself"]
    assert Page(response).heading == "66 % of 18 exceptions that ended in the last 4 weeks healed without anybody"
    ends = asked(
        "SELECT n, coalesce(sum(stake), 0) FROM generate_series(27, 0, -1) n LEFT JOIN exceptions_case"
        " ON (opened_at AT TIME ZONE 'Europe/London')::date <= (now() AT TIME ZONE 'Europe/London')::date - n AND"
        " (ended_at IS NULL OR (ended_at AT TIME ZONE 'Europe/London')::date > (now() AT TIME ZONE 'Europe/London')::date - n)"
        " GROUP BY 1 ORDER BY 1 DESC"
    )
    sums = [stake for _, stake in ends]
    assert [amount(row[1]) for row in reversed(stakes[1:])] == sums
    assert [Decimal(row["at stake"]) for row in rows_of(client.get(reverse("stakes_file")))] == sums
    assert all(abs(figure - stake) <= 5 for figure, stake in zip(at_stake, sums, strict=True)), "as a line shows it"
    assert sums[-1] == sum(Decimal(10 * number) for number in range(24) if number % 4 == 3)


@pytest.mark.parametrize("weeks", ["13", "52", "no"])
def test_longer_periods_keep_the_sums(entity, weeks: str):
    a_month_of_cases(entity)
    client = signed_in(person(Role.FINANCE, entity))
    rows = rows_of(client.get(reverse("flow_file"), {"weeks": weeks}))
    assert Counter(sum(int(row[name]) for row in rows) for name in ("opened", "fixed", "healed")) == Counter([24, 6, 12])
    assert client.get(reverse("trends"), {"weeks": weeks}).status_code == 200


def test_only_the_queues_that_the_person_reads(entity):
    a_month_of_cases(entity)
    a_month_of_cases(EntityFactory())
    tom = signed_in(person(Role.ECOMMERCE, entity))
    assert Page(tom.get(reverse("trends"))).heading == "No exception opened or ended in the last 4 weeks"
    assert Page(tom.get(reverse("trends"), {"team": "finance"})).heading.startswith("No exception")
    assert rows_of(tom.get(reverse("stakes_file"), {"team": "finance"})) == []
    elin = signed_in(person(Role.VIEWER, entity))
    for query, ended in (({}, 18), ({"team": "finance"}, 18), ({"team": "ops"}, 0), ({"type": "sku.unmapped"}, 0)):
        rows = rows_of(elin.get(reverse("flow_file"), query))
        assert sum(int(row["fixed"]) + int(row["healed"]) for row in rows) == ended, query


def test_today_says_what_healed_and_leads_to_the_trends(ours: Company):
    a_month_of_cases(ours.entity)
    page = ours.client(Role.FINANCE).get("/")
    (words,) = [text for text, href in Page(page).links if href == reverse("trends") and text != "Trends"]
    assert re.fullmatch(r"\d+ % of \d+ exceptions that ended in the last 2 weeks healed without anybody", words)
    tom = ours.client(Role.ECOMMERCE).get("/")
    assert "healed without anybody" not in tom.content.decode()


def fall_of(client: Client, page: str, file: str) -> tuple[list[Decimal], list[Decimal], list[Decimal]]:
    """The figures of the waterfall's picture, its table and its file, the sum last."""
    body = client.get(page).content.decode()
    (svg,) = re.findall(r'<svg class="chart" .*?</svg>', body, re.S)
    bars = [amount(words.lstrip("+")) for words in re.findall(r'class="val"[^>]*>([+−\d][^<]*)<', svg)]
    (table,) = [rows for rows in tables(body) if rows[0][0] == "Step"]
    return bars, [amount(row[1]) for row in table[1:]], [Decimal(row["amount"]) for row in rows_of(client.get(file))]


def test_the_waterfall_of_a_settlement_is_its_table_and_its_file(ours: Company):
    at = [ours.settlement.settlement_id]
    bars, table, file = fall_of(
        ours.client(Role.FINANCE), reverse("settlement", args=at), reverse("settlement_fall", args=at)
    )
    assert bars == table == file and len(bars) > 2
    sums = asked("SELECT sum(credit - debit) FROM settlements_rollup WHERE version_id = %s", ours.version.pk)
    assert sums == [(bars[-1],)] == [(sum(bars[:-1]),)]


def test_the_waterfall_of_a_month_leads_to_what_its_journals_clear_or_carry_forward(ours: Company):
    at = [ours.entity.pk, "2026-10"]
    bars, table, file = fall_of(
        ours.client(Role.FINANCE), reverse("close_month", args=at), reverse("month_fall", args=at)
    )
    assert bars == table == file and len(bars) > 2
    posted = asked(
        "SELECT sum(l.debit - l.credit) FROM ledger_journalline l JOIN ledger_journal j ON j.id = l.journal_id"
        " JOIN ledger_account a ON a.id = l.account_id WHERE a.role IN ('clearing', 'carried-forward') AND j.entity_id = %s"
        " AND j.period = '2026-10-01'",
        ours.entity.pk,
    )
    assert posted == [(bars[-1],)]
