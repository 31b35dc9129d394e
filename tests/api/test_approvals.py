"""Changes above a company's limits: refused to one program, asked for, decided by another person's."""

from decimal import Decimal

import pytest

from apps.core.models import Membership
from apps.core.operations import set_second_person
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.imports.models import Import
from apps.work.models import Proposal
from tests.api.conftest import Program
from tests.api.test_acting import finance as finance
from tests.api.test_acting import mapping_of, well
from tests.console.conftest import Company
from tests.factories import UserFactory


@pytest.fixture
def second(ours: Company) -> Program:
    """Another person of finance, since any change takes two."""
    set_second_person(
        entity=ours.entity, actor=ours.people[Role.ADMIN], above=Decimal(0), lines_above=0, reason="Four eyes"
    )
    other = UserFactory(name="Elin Berg")
    Membership.objects.create(user=other, entity=ours.entity, role=Role.FINANCE)
    return Program(other)


def proposed(finance: Program, ours: Company) -> dict:
    """As a program comes to it: previewed, refused with how to ask, asked for."""
    path, data = f"cases/{ours.fee_case.pk}/actions/map-fee", mapping_of(ours.fee_case)
    plan = well(finance.post(f"{path}/preview/", {"data": data}))
    assert "one person may change alone" in plan["over"]
    body = {"data": data, "digest": plan["digest"]}
    refused = finance.post(f"{path}/perform/", body)
    assert refused.status_code == 422 and refused.json()["code"] == "needs-second-person"
    assert "propose" in refused.json()["detail"] and refused.json()["plan"] == plan
    return well(finance.post(f"{path}/propose/", body))


def test_a_second_person_approves_what_they_saw(finance: Program, second: Program, ours: Company):
    asked = proposed(finance, ours)
    assert (asked["state"], asked["asked_by"]["name"], asked["label"]) == ("waiting", "Finance 1", "Give it an account")
    (row,) = well(second.get("approvals/", waiting=True))["results"]
    assert row == asked and well(second.get("approvals/", waiting=False))["results"] == []
    review = well(second.get(f"approvals/{asked['id']}/"))["review"]
    assert "5190" in str(review["plan"]["detail"]) and (review["fault"], review["differs"]) == ("", [])
    path, digest = f"approvals/{asked['id']}/approve/", review["plan"]["digest"]
    assert finance.post(path, {"digest": digest}).status_code == 403
    changed = second.post(path, {"digest": "another"})
    assert changed.status_code == 409 and changed.json()["plan"]["digest"] == digest
    assert Case.objects.get(pk=ours.fee_case.pk).state == "open"
    done = well(second.post(path, {"digest": digest}))
    assert (done["state"], done["decided_by"]["name"], done["review"]) == ("approved", "Elin Berg", None)
    assert not Case.objects.filter(entity=ours.entity, type="settlement.fee-unmapped").exclude(state="resolved").exists()


def test_a_second_person_declines_in_words_and_the_asker_withdraws(finance: Program, second: Program, ours: Company):
    path = f"approvals/{proposed(finance, ours)['id']}"
    assert "words" in second.post(f"{path}/decline/", {"words": " "}).json()["fields"]
    assert second.post(f"{path}/withdraw/").status_code == 403
    declined = well(second.post(f"{path}/decline/", {"words": "Use 5110."}))
    assert (declined["state"], declined["words"]) == ("declined", "Use 5110.")
    assert finance.post(f"{path}/withdraw/").json()["code"] == "decided"
    withdrawn = well(finance.post(f"approvals/{proposed(finance, ours)['id']}/withdraw/"))
    assert withdrawn["state"] == "withdrawn" and Case.objects.get(pk=ours.fee_case.pk).state == "open"


def test_what_one_person_may_do_is_not_asked_for(finance: Program, ours: Company):
    path, data = f"cases/{ours.fee_case.pk}/actions/map-fee", mapping_of(ours.fee_case)
    plan = well(finance.post(f"{path}/preview/", {"data": data}))
    assert plan["over"] == ""
    refused = finance.post(f"{path}/propose/", {"data": data, "digest": plan["digest"]})
    assert refused.status_code == 422 and refused.json()["code"] == "not-needed"


def test_a_sheet_above_the_limits_takes_a_second_person_too(second: Program, ours: Company):
    program, row = Program(ours.people[Role.ADMIN]), ours.imported
    Import.objects.filter(pk=row.pk).update(effect={"weight": {"lines": 3, "money": {"GBP": "10.00"}}})
    refused = program.post(f"imports/{row.pk}/actions/apply/perform/", {"digest": row.digest})
    assert refused.status_code == 422 and refused.json()["code"] == "needs-second-person"
    assert Import.objects.get(pk=row.pk).state == "ready"
    asked = well(program.post(f"imports/{row.pk}/actions/apply/propose/", {"digest": row.digest}))
    assert (asked["kind"], asked["record"], asked["state"]) == ("import", row.pk, "waiting")
    assert Proposal.objects.count() == 1
