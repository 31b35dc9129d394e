"""A bulk refuses what the single verb refuses, for every state and role, and writes what the single verb writes."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import Role, Team
from apps.exceptions import operations
from apps.exceptions.models import ALARMS, Case
from apps.exceptions.operations import InvalidForm
from apps.integrations.models import Source
from apps.work.bulk.moves import BULK_MOVES
from tests.factories import CaseFactory, ConnectionFactory, EntityFactory, MembershipFactory, person
from tests.work.bulks import checked, done, results

pytestmark = pytest.mark.django_db(transaction=True)
UNTIL = timezone.now() + timedelta(days=1)
WHY = {"reason": " Peak season "}
FED = "settlement.missing"


@pytest.fixture
def entity() -> Entity:
    return EntityFactory(name="Brackenfold Home Ltd")


@pytest.fixture(autouse=True)
def source(entity) -> Source:
    """What feeds the cases, so that they may sleep until it has run."""
    return Source.objects.create(connection=ConnectionFactory(entity=entity), feed="amazon.settlements", every=timedelta(hours=1))


@pytest.fixture
def ian(entity) -> User:
    return person(Role.FINANCE, entity, name="Ian Grove")


def every_case(entity: Entity, me: User, ian: User) -> list[Case]:
    """Two queues; every state, whose it is, and whether it holds work back."""
    now = timezone.now()
    ended = {"ended_at": now, "ending": {"words": "Gone."}}
    shapes = [
        {},
        {"assigned_to": me},
        {"assigned_to": ian},
        {"holds_back": False},
        {"state": "claimed", "claimed_by": me, "claimed_until": now + timedelta(hours=1)},
        {"state": "claimed", "claimed_by": ian, "claimed_until": now + timedelta(hours=1), "assigned_to": ian},
        {"state": "claimed", "claimed_by": ian, "claimed_until": now - timedelta(hours=1), "holds_back": False},
        {"state": "snoozed", "snoozed_until": now + timedelta(hours=1)},
        {"state": "snoozed", "snoozed_until": now + timedelta(hours=1), "holds_back": False, "notes": "Asked Amazon"},
        {"state": "resolved", **ended},
        {"state": "cleared", **ended, "ending": {}},
        {"state": "dismissed", "holds_back": False, **ended},
    ]
    shapes += [
        {"stake": 500, "worth": 500},
        {"currency": "EUR"},
        {"due_at": now - timedelta(days=1)},
        {"state": "snoozed", "snoozed_above": 700},
        {"state": "snoozed", "snoozed_for_run": now - timedelta(days=1)},
    ]
    usual = {"entity": entity, "type": FED, "due_at": now + timedelta(days=1)}
    return [CaseFactory(**usual | {"team": team} | shape) for team in ("finance", "ops") for shape in shapes]


def asked_for(me: User, ian: User) -> list[tuple[str, dict[str, Any], Callable[..., Any]]]:
    """(bulk action, what its form is given, the single verb)."""
    kofi = me.kofi  # of operations
    assign, hand = operations.assign, operations.hand_over
    return [
        *(
            ("assign", {"to": to.pk if to else ""}, lambda to=to, **asked: assign(**asked, to=to))
            for to in (me, ian, kofi, None)
        ),
        ("claim", {}, operations.claim),
        ("release", {}, operations.release),
        ("snooze", {"until": UNTIL.isoformat(), **WHY}, lambda **asked: operations.snooze(**asked, until=UNTIL, **WHY)),
        (
            "snooze",
            {"wakes": "amount", "above": "150.5", "currency": "GBP", **WHY},
            lambda **asked: operations.snooze(**asked, above=Decimal("150.5"), currency="GBP", **WHY),
        ),
        ("snooze", {"wakes": "run", **WHY}, lambda **asked: operations.snooze(**asked, next_run=True, **WHY)),
        ("wake", {}, operations.wake),
        *(
            ("hand-over", {"team": team, **WHY}, lambda team=team, **asked: hand(**asked, team=Team(team), **WHY))
            for team in ("finance", "ops")
        ),
        ("dismiss", WHY, lambda **asked: operations.dismiss(**asked, **WHY)),
        ("note", {"text": " Asked them "}, lambda **asked: operations.note(**asked, text=" Asked them ")),
    ]


@pytest.mark.parametrize("roles", [["finance"], ["ops", "viewer"], ["viewer"], ["admin"]], ids="-".join)
def test_a_bulk_and_the_single_verb_agree(roles: list[str], entity, ian):
    me = person(Role(roles[0]), entity, name="Marta Lis")
    for role in roles[1:]:
        MembershipFactory(user=me, entity=entity, role=role)
    me.kofi = person(Role.OPS, entity, name="Kofi Adu")
    covered = set()
    for action, data, verb in asked_for(me, ian):
        covered.add(action)
        cases = [case for case in every_case(entity, me, ian) if Case.objects.visible_to(me).filter(pk=case.pk).exists()]
        single = {case.pk: outcome_of(verb, case, me) for case in cases}
        if all(code == "not-allowed" for code, _, _ in single.values()):
            with pytest.raises(NotAllowed):
                checked(me, action, data, cases)
            continue
        bulk = checked(me, action, data, cases)
        assert {case: code for case, (_, code) in results(bulk).items()} == {case: one[0] for case, one in single.items()}
        said = dict(bulk.cases.values_list("case_id", "why"))
        for case, (code, words, _) in single.items():
            assert code == "not-allowed" or said[case] == words, (action, code)
        if bulk.eligible:
            done(bulk)
            written = {case.pk: written_on(case.pk) for case in cases if not single[case.pk][0]}
            assert written == {case: one[2] for case, one in single.items() if not one[0]}, action
    assert covered == set(BULK_MOVES)


def outcome_of(verb: Callable[..., Any], case: Case, me: User) -> tuple[str, str, Any]:
    """(code, words, what was written) of the single verb, which is undone again."""
    with suppress(Undone), transaction.atomic():
        try:
            verb(case=case, actor=me)
        except Refused as refused:
            return refused.code, refused.words, None
        written = written_on(case.pk)
        raise Undone
    return "", "", written


class Undone(Exception):
    pass


def written_on(case: int) -> tuple[dict[str, Any], list[tuple]]:
    """The case and its audit entries; of instants that are now, only that they are there."""
    columns = ("state", "team", "claimed_by", "assigned_to", "ended_by", "ending", "notes", *ALARMS, "currency")
    row = Case.objects.filter(pk=case).values(*columns, "claimed_until", "ended_at").get()
    said = ("actor", "actor_name", "entity", "verb", "before", "after", "reason")
    entries = AuditEntry.objects.about(f"case:{case}").values_list(*said)
    return nowless(row), [(*entry[:4], nowless(entry[4]), nowless(entry[5]), entry[6]) for entry in entries]


def nowless(values: dict[str, Any]) -> dict[str, Any]:
    """Without the bulk that an entry names, and with instants as instants."""
    kept = {name: value for name, value in values.items() if name != "bulk"}
    for name in ("claimed_until", "ended_at", "snoozed_for_run"):
        if kept.get(name):
            kept[name] = "then"
    if isinstance(kept.get("snoozed_until"), str):
        kept["snoozed_until"] = datetime.fromisoformat(kept["snoozed_until"])
    return kept


def test_only_what_is_fed_sleeps_until_the_next_run(entity, ian, source):
    soon = {"entity": entity, "due_at": UNTIL}
    fed, unfed = CaseFactory(type=FED, **soon), CaseFactory(type="erp.period-closed", **soon)
    bulk = checked(ian, "snooze", {"wakes": "run", **WHY}, [fed, unfed])
    assert results(bulk) == {fed.pk: ("eligible", ""), unfed.pk: ("not-eligible", "no-feed")}
    Source.objects.filter(pk=source.pk).update(paused=True)
    with pytest.raises(InvalidForm) as refusal:
        checked(ian, "snooze", {"wakes": "run", **WHY}, [fed])
    assert "wakes" in refusal.value.form.errors
