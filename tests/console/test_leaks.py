"""Nothing of another company is ever answered: whatever text theirs has is marked, and no answer to us has the mark.

The addresses are those of the resolver, with the recipes of test_walk. What the REST interface has is walked by itself.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import escape
from urllib.parse import quote, urlencode

import pytest
from django.db import DatabaseError, connections, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from apps.core.models import Membership, User
from apps.core.permissions import Role
from apps.core.tokens import issue
from tests.console.conftest import Company, company, signed_in
from tests.console.test_walk import NOBODYS, OF_ONE, QUEUES, READ, WRITTEN, address_of
from tests.factories import UserFactory

MARK = "zqzqz"
TABLES = "SELECT table_name, column_name, character_maximum_length FROM information_schema.columns WHERE table_schema = 'public'"
NOT_OURS = ("django_", "auth_", "axes_")
SPARED = ("type", "kind", "state", "status")  # the recipes look rows up by these words of ours
LEGS = ("settlements_filereading", "reason")  # as by this one
PART = {"HX-Request": "true"}

POSTED = {  # what only takes a form -> the page of the thing, and the deed's name where it has one
    "alert_test": ("alert_channel", "test"),
    "approval_do": ("approval", "decline"),
    "account_do": ("account", "close"),
    "act": ("case", "do/map-fee"),
    "bulk_do": ("bulk", "confirm"),
    "case_move": ("case", "claim"),
    "check_do": ("check", "sign"),
    "connection_check": ("connection", "check"),
    "held_legs_do": ("held_legs", "load"),
    "import_do": ("import", "save"),
    "job_move": ("job", "stop"),
    "listing_do": ("listing", "map"),
    "person_do": ("person", "link"),
    "rule_do": ("rule", "undo"),
    "run_do": ("run", "stop"),
    "saved_view_do": ("saved_view", "delete"),
    "stock_listing_do": ("stock_listing", "buffer"),
    "take_over": ("shift", "take-over"),
    "void": ("batch", "void"),
    "withdraw": ("journal", "withdraw"),
}
BESIDE = {  # whose address is not below the page of the thing -> where and what is sent
    "assign_ticked": lambda theirs: (reverse("assign_ticked", args=["finance"]), {"case": theirs.fee_case.pk}),
    "bulk_new": lambda theirs: (reverse("bulk_new", args=["finance"]), {"action": "claim", "case": theirs.fee_case.pk}),
    "save_view": lambda theirs: (reverse("save_view", args=["finance"]), {"name": "x", "company": theirs.entity.pk}),
    "runbook_write": lambda theirs: (
        reverse("runbook_write", args=["settlement.fee-unmapped", theirs.entity.pk]),
        {"text": "x", "after": 0},
    ),
    "replay": lambda theirs: (reverse("replay", args=["rule", _id_of("rule", theirs), "change"]), {}),
}
OWN = {"end_session", "revoke_token"}  # nobody's but one's own: test_people


@pytest.fixture
def both(transactional_db, settings) -> tuple[Company, Company]:
    """Two companies that have everything; each text of the second one is marked."""
    settings.API_PER_MINUTE = dict.fromkeys(settings.API_PER_MINUTE, 10**6)  # a program turned away hears no word of theirs
    ours = company(1)
    everything_of(ours)
    before = _rows()
    theirs = company(2)
    everything_of(theirs)
    assert _mark_all_since(before) > 80, "columns"
    return ours, theirs


def everything_of(company: Company) -> None:
    for name in OF_ONE:
        address_of(name, company)
    for user in company.people.values():
        issue(user=user, name="A program", expires_at=timezone.now() + timedelta(days=1))


def test_no_answer_has_a_word_of_theirs(both: tuple[Company, Company]):
    ours, theirs = both
    for role in Role:
        client = ours.client(role)
        client.post(reverse("company"), {"company": theirs.entity.pk, "next": "/"})
        pages_with_their_ids(client, ours, theirs)
        pages_of_theirs(client, theirs)
    everything = UserFactory()
    Membership.objects.bulk_create(Membership(user=everything, entity=ours.entity, role=role) for role in Role)
    searches_for_their_words(signed_in(everything), theirs)
    forms_sent_to_theirs(signed_in(everything), theirs)
    programs(everything, theirs)  # what each role reads of one company alone: tests.api.test_walk
    a_case_for_one_of_theirs(ours, theirs)


def pages_with_their_ids(client: Client, ours: Company, theirs: Company) -> None:
    lists = [reverse(name) for name in READ] + [reverse("queue", args=[team]) for team in QUEUES]
    for address in [*lists, *(address_of(name, ours) for name in OF_ONE)]:
        check(client, f"{address}{'&' if '?' in address else '?'}{_poison(theirs)}")
    for address in lists:
        check(client, f"{address}?{_poison(theirs)}", headers=PART)


def pages_of_theirs(client: Client, theirs: Company) -> None:
    for name in OF_ONE:
        check(client, address_of(name, theirs), missing=name not in NOBODYS)


def searches_for_their_words(client: Client, theirs: Company) -> None:
    words = [MARK, theirs.entity.name, theirs.settlement.settlement_id, theirs.order.order_id, theirs.listing.sku]
    words += [theirs.people[Role.FINANCE].email, str(theirs.fee_case.pk)]
    for text in words:
        for name in ("search", "audit", "listings", "items", "orders", "mapping"):
            check(client, f"{reverse(name)}?{urlencode({'q': text, 'text': text, 'subject': text})}", echoed=text)
        for team in QUEUES:
            check(client, f"{reverse('queue', args=[team])}?{urlencode({'q': text})}", echoed=text)


def forms_sent_to_theirs(client: Client, theirs: Company) -> None:
    for name, (page, deed) in POSTED.items():
        address = f"{address_of(page, theirs)}{deed}/"
        response = client.post(address, {"reason": "x", "preview": "1"}, headers=PART)
        assert response.status_code == 404, (name, address, response.status_code)
        assert MARK not in _said(response, address), name
    for name, sent in BESIDE.items():
        address, data = sent(theirs)
        response = client.post(address, data, follow=True)
        assert response.status_code < 500 and MARK not in _said(response, address), name


def programs(user: User, theirs: Company) -> None:
    """Every GET of the REST interface by token, with what stands in their addresses for each gap."""
    gaps = {part for name in OF_ONE for part in address_of(name, theirs).split("?")[0].split("/") if part.isdecimal()}
    _, clear = issue(user=user, name="A program", expires_at=timezone.now() + timedelta(days=1))
    for path in _below("api/"):
        for address in sorted({re.sub(r"<[^>]+>", gap, path) for gap in gaps}):
            check(Client(), address, headers={"Authorization": f"Bearer {clear}"})


def a_case_for_one_of_theirs(ours: Company, theirs: Company) -> None:
    """It is refused without their name."""
    stranger = theirs.people[Role.FINANCE]
    sent = {"case": ours.fee_case.pk, "to": stranger.pk}
    response = ours.client(Role.FINANCE).post(reverse("assign_ticked", args=["finance"]), sent, follow=True)
    assert MARK not in _said(response, "/")
    assert ours.fee_case.assigned_to is None


def test_every_form_is_here():
    assert POSTED.keys() | BESIDE.keys() | OWN == WRITTEN


def check(client: Client, address: str, *, echoed: str = "", missing: bool = False, **more) -> None:
    response = client.get(address, **more)
    assert response.status_code < 500, (address, response.status_code)
    if missing:
        assert response.status_code in (403, 404), (address, response.status_code)
    said = _said(response, address)
    for echo in (echoed, escape(echoed), quote(echoed), quote(echoed, safe="")) if echoed else ():
        said = said.replace(echo.casefold(), "")
    at = said.find(MARK)
    assert at < 0, f"{address}: …{said[max(0, at - 200) : at + 80]}…"


def _id_of(name: str, company: Company) -> str:
    return re.search(r"\d+", address_of(name, company))[0]


def _said(response, address: str) -> str:
    """The answer and its headers, without the address that was asked for."""
    content = b"".join(response.streaming_content) if response.streaming else response.content
    said = f"{content.decode(errors='replace')}{response.headers}".casefold()
    return said.replace(escape(address.split("?")[0]).casefold(), "").replace(address.casefold(), "")


def _poison(theirs: Company) -> str:
    """Their ids under each name that a screen takes a company by."""
    names = ("company", "entity", "connection", "account")
    return urlencode({name: theirs.connection.pk if name == "connection" else theirs.entity.pk for name in names})


def _below(prefix: str, patterns=None, path: str = "") -> Iterator[str]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = path + re.sub(r"^\^|\$$|\\Z", "", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _below(prefix, pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and route.startswith(prefix):
            yield "/" + re.sub(r"[(][?]P<(\w+)>[^)]*[)]", r"<\1>", route)


def _rows() -> dict[str, list[str]]:
    """table -> the ids that are there."""
    with connections["owner"].cursor() as cursor:
        found = {}
        for table in _texts():
            cursor.execute(f"SELECT id::text FROM {table}")
            found[table] = [each for (each,) in cursor.fetchall()]
        return found


def _texts() -> dict[str, list[tuple[str, int]]]:
    """table -> its columns of text with their length; tables of ours that have an id."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"{TABLES} AND data_type IN ('text', 'character varying') ORDER BY 1, 2")
        columns = cursor.fetchall()
        cursor.execute(f"{TABLES} AND column_name = 'id'")
        with_id = {table for table, *_ in cursor.fetchall()}
    found: dict[str, list[tuple[str, int]]] = {}
    for table, column, length in columns:
        spared = column in SPARED or (table, column) == LEGS
        if table in with_id and not table.startswith(NOT_OURS) and not spared:
            found.setdefault(table, []).append((column, length or 10_000))
    return found


def _mark_all_since(before: dict[str, list[str]]) -> int:
    """How many columns are marked now. Where the database takes no such text (a currency, a state), it stays."""
    marked = 0
    owner = connections["owner"]
    for table, columns in _texts().items():
        with owner.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for column, length in columns:
                try:
                    with transaction.atomic(using="owner"):
                        cursor.execute(
                            f"UPDATE {table} SET {column} = %s || left({column}, %s)"
                            f" WHERE id::text <> ALL(%s) AND {column} <> ''",
                            [MARK, length - len(MARK), before[table]],
                        )
                        marked += cursor.rowcount > 0
                except DatabaseError:
                    continue
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    return marked
