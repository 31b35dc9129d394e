"""Every kind of exception has a page in plain words, its numbers for those who read its queue, and what a company adds."""

import re
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape, strip_tags

from apps.console import words
from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role, Team
from apps.exceptions.models import Case, State
from apps.exceptions.types import REGISTRY
from apps.work.models import RunbookAddition
from apps.work.runbooks import write
from tests.console.conftest import signed_in
from tests.console.queries.rows import FACTS
from tests.factories import CaseFactory, EntityFactory, person

JARGON = re.compile(
    r"\b(APIs?|JSON|webhooks?|null|exception types?|HTTP|SQL|payloads?|endpoints?|SIGTERM|kernel|daemon|queue sync|stack trace"
    r"|regex|cron|Celery|boolean|idempoten\w*|DLQ|deserial\w*|schemas?)\b",
    re.IGNORECASE,
)
FEE = REGISTRY["settlement.fee-unmapped"]
FILE = REGISTRY["file.layout-unknown"]


@pytest.fixture
def entity(db):
    return EntityFactory()


def page_of(client, code: str) -> str:
    """Its own part, without the navigation."""
    response = client.get(reverse("runbook", args=[code]))
    assert response.status_code == 200
    return response.content.decode().split("<main", 1)[1]


def test_every_kind_has_a_whole_page_in_plain_words(client, entity):
    client.force_login(person(Role.VIEWER, entity))
    listed = client.get(reverse("runbooks")).content.decode()
    for kind in REGISTRY.values():
        assert f'href="{reverse("runbook", args=[kind.code])}"' in listed, kind.code
        page = page_of(client, kind.code)
        book = kind.runbook
        for said in (kind.title, book.impact, *book.steps, book.escalate, book.prevention, kind.team.label):
            assert escape(said) in page, (kind.code, said)
        for action in kind.actions:
            assert escape(action.label) in page and escape(action.permission.does) in page, (kind.code, action.label)
        assert ("It holds work back" in page) == kind.holds_back
        assert words.DIAGNOSES[kind.diagnosis] in page
        if kind.team != Team.ADMIN:
            assert not (found := JARGON.findall(strip_tags(page))), (kind.code, found)


def test_the_numbers_are_those_of_the_queue_and_only_for_its_readers(client, entity):
    now = timezone.now()
    CaseFactory(entity=entity, type=FEE.code)
    for hours, state, days in ((2, State.CLEARED, 1), (4, State.RESOLVED, 2), (9, State.CLEARED, 3), (1, State.CLEARED, 91)):
        ended = now - timedelta(days=days)
        case = CaseFactory(entity=entity, type=FEE.code, state=state, ended_at=ended)
        Case.objects.filter(pk=case.pk).update(opened_at=ended - timedelta(hours=hours))
    client.force_login(person(Role.FINANCE, entity))
    page = page_of(client, FEE.code)
    assert "1 open now" in page and "4 h" in page and "3 fixed in 90 days" in page and "67 %" in page and "2 of 3" in page
    assert "1 open" in client.get(reverse("runbooks")).content.decode()
    client.force_login(person(Role.OPS, entity, email="kofi@example.com"))
    page = page_of(client, FEE.code)
    assert "open now" not in page and "fixed in" not in page and "£" not in page
    assert "1 open" not in client.get(reverse("runbooks")).content.decode()


def test_a_runbook_is_found_by_what_it_says(client, entity):
    client.force_login(person(Role.OPS, entity))
    found = client.get(reverse("runbooks"), {"q": "Reserve CHAIN"}).content.decode()
    assert "Reserve was not given back as it was kept" in found and "Unknown merchant SKU" not in found
    assert "No runbook says that" in client.get(reverse("runbooks"), {"q": "xyzzy"}).content.decode()


def test_a_team_adds_to_its_runbook_and_each_version_stays(client, entity):
    marta = person(Role.FINANCE, entity, name="Marta Lis")
    case = reverse("case", args=[CaseFactory(entity=entity, type=FILE.code, facts=FACTS).pk])
    elin = signed_in(person(Role.VIEWER, entity))
    client.force_login(marta)
    address = reverse("runbook_write", args=[FILE.code, entity.pk])
    first = "Ask <b>Jo</b> first.\n\nOur list: https://books.example/fees."
    assert client.post(address, {"text": first, "after": 0}).status_code == 302
    page = page_of(client, FILE.code)
    assert "Ask &lt;b&gt;Jo&lt;/b&gt; first." in page
    assert '<a href="https://books.example/fees" rel="noreferrer">https://books.example/fees</a>.' in page
    assert "Ask &lt;b&gt;Jo&lt;/b&gt; first." in elin.get(case).content.decode()
    stale = client.post(address, {"text": "Mine", "after": 0})
    assert stale.status_code == 422 and "Marta Lis changed it meanwhile" in stale.content.decode()
    assert client.post(address, {"text": "Ask Priya.", "after": 1}).status_code == 302
    page = page_of(client, FILE.code)
    assert "Version 2" in page and "Earlier versions" in page and "wrote version 1" in page
    assert client.post(address, {"text": " ", "after": 2}).status_code == 302
    assert "Ask Priya." not in elin.get(case).content.decode()
    verbs = AuditEntry.objects.about(f"runbook:{FILE.code}").order_by("pk").values_list("verb", "actor_name", "after__version")
    assert list(verbs) == [
        ("runbook.written", "Marta Lis", 1), ("runbook.written", "Marta Lis", 2), ("runbook.taken-out", "Marta Lis", 3),
    ]  # fmt: skip


def test_only_the_owning_team_writes_and_only_of_its_own_company(client, entity):
    for role in set(Role) - {Role.FINANCE}:
        actor = person(role, entity, email=f"{role.value}@example.com")
        with pytest.raises(NotAllowed, match="The people of Finance"):
            write(kind=FEE, entity=entity, text="x", after=0, actor=actor)
        client.force_login(actor)
        assert "Save as a new version" not in page_of(client, FEE.code)
        assert client.post(reverse("runbook_write", args=[FEE.code, entity.pk]), {"text": "x", "after": 0}).status_code == 403
    other = EntityFactory()
    address = reverse("runbook_write", args=[FEE.code, other.pk])
    client.force_login(person(Role.FINANCE, entity, email="marta@example.com"))
    assert client.post(address, {"text": "x", "after": 0}).status_code == 404
    write(kind=FEE, entity=other, text="Theirs alone", after=0, actor=person(Role.FINANCE, other, email="o@example.com"))
    assert "Theirs alone" not in page_of(client, FEE.code)
    assert not RunbookAddition.objects.filter(entity=entity).exists()


def test_what_is_the_same_or_too_long_is_refused_and_the_database_keeps_every_version(entity):
    marta = person(Role.FINANCE, entity)
    asked = {"kind": FEE, "entity": entity, "actor": marta}
    for text, why in (("", "Nothing is different"), ("x" * 4001, "At most 4,000")):
        with pytest.raises(Refused, match=why):
            write(**asked, text=text, after=0)
    row = write(**asked, text="Ask Jo.", after=0)
    for change in (lambda: row.delete(), lambda: RunbookAddition.objects.update(text="Ask nobody.")):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_many_versions_and_cases_cost_no_query_each(client, entity):
    marta = person(Role.FINANCE, entity)
    client.force_login(marta)

    def add(number: int) -> None:
        write(kind=FEE, entity=entity, text=f"Version {number}", after=number, actor=marta)
        CaseFactory(entity=entity, type=FEE.code)

    add(0)
    addresses = [reverse("runbook", args=[FEE.code]), reverse("runbooks")]
    counts = []
    for more in (range(0), range(1, 20)):
        for number in more:
            add(number)
        for address in addresses:
            with CaptureQueriesContext(connection) as asked:
                client.get(address)
            counts.append(len(asked))
    assert counts[:2] == counts[2:]
