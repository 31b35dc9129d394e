"""Bulk actions by programs: frozen, looked at, confirmed, stopped, done again."""

from decimal import Decimal

import pytest

from apps.core.models import Membership, User
from apps.core.operations import set_second_person
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.ledger.models import Account
from apps.work.bulk.models import Bulk
from tests.api.conftest import Program
from tests.api.test_acting import finance as finance
from tests.api.test_acting import well
from tests.console.conftest import Company
from tests.factories import person
from tests.work.bulks import worked


def begun(program: Program, action: str, data: dict | None = None, **which) -> dict:
    return well(program.post("bulk/", {"action": action, "data": data or {}, **which}), 201)


def looked_at(program: Program, bulk: dict) -> dict:
    """With its work done here."""
    worked(Bulk.objects.get(pk=bulk["id"]))
    return well(program.get(f"bulk/{bulk['id']}/"))


def test_all_that_match_are_checked_and_done(finance: Program, ours: Company):
    taken = list(Case.objects.filter(entity=ours.entity, team="finance", state="open").values_list("pk", flat=True))
    assert len(taken) > 1
    bulk = begun(finance, "claim", filter={"team": "finance"})
    assert (bulk["state"], bulk["members"], bulk["digest"], bulk["chosen"]) == (
        "checking", len(taken), "", "All open, of Finance",
    )  # fmt: skip
    ready = looked_at(finance, bulk)
    assert (ready["state"], ready["eligible"], ready["not_reached"]) == ("ready", len(taken), len(taken))
    assert set(Case.objects.filter(pk__in=taken).values_list("state", flat=True)) == {"open"}
    assert finance.post(f"bulk/{bulk['id']}/confirm/", {"digest": "another"}).json()["code"] == "plan-changed"
    Case.objects.filter(pk=taken[0]).update(state="cleared", ended_at="2026-11-21T10:00:00Z")
    running = well(finance.post(f"bulk/{bulk['id']}/confirm/", {"digest": ready["digest"]}))
    assert running["state"] == "running"
    ended = looked_at(finance, bulk)
    assert (ended["state"], ended["done"], ended["skipped"], ended["not_reached"]) == ("done", len(taken) - 1, 1, 0)
    (skipped,) = well(finance.get(f"bulk/{bulk['id']}/members/", verdict="skipped"))["results"]
    assert skipped["case"] == taken[0] and skipped["code"] and skipped["why"]
    assert Case.objects.filter(pk__in=taken, claimed_by=finance.user).count() == len(taken) - 1


def test_its_members_come_in_pages(finance: Program, ours: Company):
    bulk = looked_at(finance, begun(finance, "claim", filter={"team": "finance"}))
    found, page = [], well(finance.get(f"bulk/{bulk['id']}/members/", limit=1))
    while page["next"]:
        found += page["results"]
        page = well(finance.get(page["next"]))
    found += page["results"]
    cases = [row["case"] for row in found]
    assert cases == sorted(set(cases)) and len(cases) == bulk["members"]


def test_it_is_stopped_and_what_was_left_is_a_bulk_of_its_own(finance: Program, ours: Company):
    bulk = looked_at(finance, begun(finance, "note", {"text": "Asked Amazon."}, cases=[ours.fee_case.pk]))
    assert finance.post(f"bulk/{bulk['id']}/retry-failed/").json()["code"] == "not-ended"
    stopped = well(finance.post(f"bulk/{bulk['id']}/stop/"))
    assert (stopped["state"], stopped["stopped_by"]["name"]) == ("stopped", "Finance 1")
    again = well(finance.post(f"bulk/{bulk['id']}/retry-failed/"), 201)
    assert (again["state"], again["members"], again["retry_of"]) == ("checking", 1, bulk["id"])


def test_what_it_did_is_put_back(finance: Program, ours: Company):
    case = ours.fee_case
    bulk = looked_at(finance, begun(finance, "claim", cases=[case.pk]))
    assert finance.post(f"bulk/{bulk['id']}/put-back/").json()["code"] == "not-undone"
    finance.post(f"bulk/{bulk['id']}/confirm/", {"digest": bulk["digest"]})
    assert looked_at(finance, bulk)["done"] == 1
    undo = well(finance.post(f"bulk/{bulk['id']}/put-back/"), 201)
    assert (undo["action"], undo["undo_of"], undo["state"]) == ("put-back", bulk["id"], "checking")
    ready = looked_at(finance, undo)
    finance.post(f"bulk/{undo['id']}/confirm/", {"digest": ready["digest"]})
    assert looked_at(finance, undo)["done"] == 1
    case.refresh_from_db()
    assert (case.state, case.claimed_by) == ("open", None)


def test_what_is_too_much_for_one_is_asked_of_a_second(finance: Program, ours: Company):
    admin = ours.people[Role.ADMIN]
    set_second_person(entity=ours.entity, above=Decimal("4.00"), lines_above=None, reason="Four eyes", actor=admin)
    accounts = Account.objects.filter(entity=ours.entity, code="5110")
    data = {
        "account": accounts.get().pk, "tax": "none", "where": "everywhere", "match": "exact", "since": "2026-10-01",
        "reason": "New",
    }  # fmt: skip
    bulk = looked_at(finance, begun(finance, "map-fee", data, cases=[ours.fee_case.pk]))
    refused = finance.post(f"bulk/{bulk['id']}/confirm/", {"digest": bulk["digest"]}).json()
    assert refused["code"] == "needs-second-person" and refused["plan"]["effect"] == "Give it an account: 1 exception"
    (asked,) = well(finance.post(f"bulk/{bulk['id']}/propose/", {"digest": bulk["digest"]}))
    assert (asked["kind"], asked["record"], asked["state"]) == ("bulk", bulk["id"], "waiting")
    second = Program(person(Role.FINANCE, ours.entity, name="Marta Lis"))
    seen = well(second.get(f"approvals/{asked['id']}/"))
    well(second.post(f"approvals/{asked['id']}/approve/", {"digest": seen["review"]["plan"]["digest"]}))
    assert looked_at(finance, bulk)["done"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "claim"}, ""),
        ({"action": "claim", "filter": {}, "cases": [1]}, ""),
        ({"action": "claim", "filter": {"teem": "finance"}}, "filter.teem"),
        ({"action": "snooze", "filter": {}, "data": {"until": "someday", "reason": "x"}}, "until"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(finance: Program, body: dict, field: str):
    answer = finance.post("bulk/", body)
    assert answer.status_code == 422 and field in answer.json()["fields"], answer.content
    assert not Bulk.objects.exists()


def test_nothing_tells_of_a_stranger(finance: Program, ours: Company, theirs: Company):
    stranger, nobody = theirs.people[Role.FINANCE].pk, User.objects.order_by("-pk").first().pk + 1
    which = {"cases": [ours.fee_case.pk]}
    asked = [
        (f"cases/{ours.fee_case.pk}/assign/", lambda pk: {"to": pk}),
        ("bulk/", lambda pk: {"action": "assign", "data": {"to": pk}, **which}),
        ("bulk/", lambda pk: {"action": "claim", "filter": {"holder": pk}}),
    ]
    for path, body in asked:
        of_stranger, of_nobody = finance.post(path, body(stranger)), finance.post(path, body(nobody))
        assert of_stranger.status_code == 422 and of_stranger.json() == of_nobody.json(), of_stranger.content
    for which in ({"cases": [theirs.fee_case.pk]}, {"filter": {}, "entities": [theirs.entity.pk]}):
        assert finance.post("bulk/", {"action": "claim", **which}).status_code == 422
    assert not Bulk.objects.exists()


def test_a_bulk_over_two_companies_is_of_who_reads_both(finance: Program, ours: Company, theirs: Company):
    Membership.objects.create(user=finance.user, entity=theirs.entity, role=Role.FINANCE)
    program = Program(User.objects.get(pk=finance.user.pk))
    bulk = begun(program, "claim", cases=[ours.fee_case.pk, theirs.fee_case.pk])
    assert len(well(program.get("bulk/", entity=theirs.entity.pk))["results"]) == 1
    colleague = Program(ours.people[Role.ADMIN])
    assert colleague.get(f"bulk/{bulk['id']}/").status_code == 404
    assert well(colleague.get("bulk/"))["results"] == []
