"""What programs do: the same verbs as the screens, each after the same dry run."""

from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.api.plans import plain
from apps.catalog.models import Item
from apps.core.models import AuditEntry, Entity
from apps.core.permissions import Role
from apps.exceptions.models import Case, State
from apps.exceptions.operations import plan as plan_of
from apps.imports.models import Import
from apps.integrations.jobs import run_here
from apps.integrations.models import SyncRun
from apps.ledger.models import Account, Journal
from tests.api.conftest import Program
from tests.console.conftest import Company
from tests.factories import ListingFactory, OrderFactory, OrderItemFactory
from tests.imports.sheets import csv_of


@pytest.fixture
def finance(ours: Company) -> Program:
    return Program(ours.people[Role.FINANCE])


def well(answer, status: int = 200) -> dict:
    assert answer.status_code == status, answer.content
    return answer.json()


def mapping_of(case: Case) -> dict:
    return {
        "account": Account.objects.get(entity=case.entity, code="5190").pk,
        "tax": "none",
        "where": "everywhere",
        "match": "exact",
        "since": "2026-10-26",
        "reason": "New return fee",
    }


def test_a_fee_is_mapped_from_its_case(finance: Program, ours: Company):
    case = ours.fee_case
    path = f"cases/{case.pk}/actions"
    (offered,) = [each for each in well(finance.get(f"{path}/")) if each["name"] == "map-fee"]
    data = mapping_of(case)
    assert offered["allowed"] and set(data) <= set(offered["form"]["properties"])
    accounts = offered["form"]["properties"]["account"]["oneOf"]
    assert str(data["account"]) in [each["const"] for each in accounts]
    plan = well(finance.post(f"{path}/map-fee/preview/", {"data": data}))
    assert "5190" in str(plan["detail"]) and Case.objects.get(pk=case.pk).state == State.OPEN
    done = well(finance.post(f"{path}/map-fee/perform/", {"data": data, "digest": plan["digest"]}))
    assert case.pk in done["resolved"] and "Mapped" in done["words"]
    assert well(finance.get(f"cases/{case.pk}/"))["state"] == "resolved"
    assert not Journal.objects.filter(entity=ours.entity, state=Journal.State.INCOMPLETE).exists()
    assert AuditEntry.objects.filter(verb="case.map-fee", actor=finance.user).count() == 1


def test_nothing_is_done_that_was_not_previewed(finance: Program, ours: Company):
    path, data = f"cases/{ours.fee_case.pk}/actions/map-fee", mapping_of(ours.fee_case)
    answer = finance.post(f"{path}/perform/", {"data": data, "digest": "another"})
    assert answer.status_code == 409 and answer.json()["code"] == "plan-changed"
    assert Case.objects.get(pk=ours.fee_case.pk).state == State.OPEN
    now = answer.json()["plan"]["digest"]
    well(finance.post(f"{path}/perform/", {"data": data, "digest": now}))


def test_a_form_with_a_fault_says_where(finance: Program, ours: Company):
    path, data = f"cases/{ours.fee_case.pk}/actions/map-fee", mapping_of(ours.fee_case) | {"since": "someday"}
    for step in ("preview", "perform"):
        answer = finance.post(f"{path}/{step}/", {"data": data} | ({"digest": "x"} if step == "perform" else {}))
        assert answer.status_code == 422 and list(answer.json()["fields"]) == ["since"], answer.content


def test_a_case_is_claimed_assigned_noted_snoozed_and_handed_over(finance: Program, ours: Company):
    path = f"cases/{ours.fee_case.pk}"
    assert well(finance.post(f"{path}/claim/"))["claimed_by"]["name"] == "Finance 1"
    assert well(finance.post(f"{path}/release/"))["claimed_by"] is None
    assert well(finance.post(f"{path}/assign/", {"to": finance.user.pk}))["assigned_to"]["id"] == finance.user.pk
    assert finance.post(f"{path}/assign/", {"to": ours.people[Role.VIEWER].pk}).status_code == 422
    assert well(finance.post(f"{path}/note/", {"text": "Amazon answers by Friday."}))["verb"] == "case.noted"
    snoozed = well(finance.post(f"{path}/snooze/", {"until": "2099-01-01T09:00:00+01:00", "reason": "waits"}))
    assert (snoozed["state"], snoozed["snoozed_until"]) == ("snoozed", "2099-01-01T08:00:00Z")
    assert well(finance.post(f"{path}/wake/"))["state"] == "open"
    assert finance.post(f"{path}/dismiss/", {"reason": "no"}).json()["code"] == "holds-back"
    told = [entry["verb"] for entry in well(finance.get(f"{path}/timeline/"))["results"]]
    assert told[:4] == ["case.woken", "case.snoozed", "case.noted", "case.assigned"]
    assert well(finance.post(f"{path}/hand-over/", {"team": "ops", "reason": "theirs"}))["team"] == "ops"
    assert finance.get(f"{path}/").status_code == 404


def test_journals_are_approved_exported_and_fetched(finance: Program, ours: Company):
    drafts = list(Journal.objects.filter(entity=ours.entity, state="draft").values_list("pk", flat=True))
    plan = well(finance.post("journals/approve/preview/", {"journals": drafts}))
    assert len(plan["detail"]["go"]) == len(drafts)
    well(finance.post("journals/approve/", {"journals": drafts, "digest": plan["digest"]}))
    assert {row["state"] for row in well(finance.get("journals/", state="approved"))["results"]} == {"approved"}
    asked = {"journals": drafts, "data": {"format": "generic"}}
    plan = well(finance.post("journals/export/preview/", asked))
    well(finance.post("journals/export/", asked | {"digest": plan["digest"]}))
    (batch,) = well(finance.get("batches/"))["results"]
    assert batch["journals"] == drafts
    file = finance.get(f"batches/{batch['id']}/file/")
    assert file.status_code == 200 and file["Content-Type"].startswith("text/csv") and b"," in file.content
    assert AuditEntry.objects.filter(verb="batch.downloaded", actor=finance.user).exists()
    again = finance.post("journals/export/", asked | {"digest": plan["digest"]})
    assert again.status_code == 422 and "left in batch 1" in again.json()["detail"]


def test_an_approval_is_taken_back(finance: Program, ours: Company):
    (draft,) = Journal.objects.filter(entity=ours.entity, state="draft")
    digest = well(finance.post("journals/approve/preview/", {"journals": [draft.pk]}))["digest"]
    well(finance.post("journals/approve/", {"journals": [draft.pk], "digest": digest}))
    digest = well(finance.post(f"journals/{draft.pk}/withdraw/preview/"))["digest"]
    without = finance.post(f"journals/{draft.pk}/withdraw/", {"digest": digest})
    assert without.status_code == 422 and "reason" in without.json()["fields"]
    well(finance.post(f"journals/{draft.pk}/withdraw/", {"digest": digest, "data": {"reason": "Wrong month"}}))
    assert well(finance.get(f"journals/{draft.pk}/"))["state"] == "draft"


def test_a_sku_is_mapped_from_its_listing(ours: Company):
    program, listing = Program(ours.people[Role.ECOMMERCE]), ListingFactory(connection=ours.connection)
    OrderItemFactory(order=OrderFactory(connection=ours.connection, route="held", holds=["sku"]), listing=listing)
    item = Item.objects.create(entity=ours.entity, code="BF-1", title="Tray")
    path = f"listings/{listing.pk}/actions"
    assert [each["name"] for each in well(program.get(f"{path}/"))] == ["map", "bundle"]
    data = {"item": item.pk, "units": 2, "since": "2026-11-01"}
    plan = well(program.post(f"{path}/map/preview/", {"data": data}))
    assert plan["detail"]["seen"]["waits"]["orders"] == 1
    well(program.post(f"{path}/map/perform/", {"data": data, "digest": plan["digest"]}))
    (mapping,) = well(program.get(f"listings/{listing.pk}/"))["mappings"]
    assert mapping["parts"] == [{"code": "BF-1", "title": "Tray", "quantity": 2}]
    assert (mapping["since"], mapping["until"]) == ("2026-11-01", None)


def test_a_sheet_is_brought_checked_and_saved(ours: Company):
    program = Program(ours.people[Role.ADMIN])

    def upload(key: str):
        file = SimpleUploadedFile("items.csv", csv_of([["Item", "Title"], ["BF-9", "Mug"], ["BF-TRAY ", "Tray"]]))
        body = {"entity": ours.entity.pk, "sheet": "items", "file": file}
        headers = {"Authorization": f"Bearer {program.token}", "Idempotency-Key": key}
        return program.client.post("/api/v1/imports/", body, headers=headers)

    brought, again = well(upload("one"), 201), well(upload("one"), 201)
    assert brought == again and Import.objects.count() == 1
    row = Import.objects.get(pk=brought["id"])
    run_here(row.job)
    checked = well(program.get(f"imports/{row.pk}/"))
    assert (checked["state"], checked["added"], checked["bad"]) == ("ready", 1, 1)
    (bad,) = well(program.get(f"imports/{row.pk}/rows/", outcome="bad"))["results"]
    assert bad["number"] == 3 and bad["faults"]
    path = f"imports/{row.pk}/actions/apply"
    assert program.post(f"{path}/perform/", {"digest": "another"}).status_code == 409
    plan = well(program.post(f"{path}/preview/"))
    assert (plan["effect"], plan["digest"]) == ("Save 1 row", checked["digest"])
    well(program.post(f"{path}/perform/", {"digest": plan["digest"]}))
    assert well(program.get(f"imports/{row.pk}/"))["state"] == "applying"
    row.refresh_from_db()
    run_here(row.job)
    assert Item.objects.filter(entity=ours.entity, code="BF-9").exists()


def test_a_feed_is_fetched_now(ours: Company):
    program, run = Program(ours.people[Role.OPS]), ours.run
    fetched = well(program.post(f"sources/{run.source_id}/fetch/"))
    assert (fetched["id"], fetched["feed"]) == (run.pk, "amazon.orders")
    assert SyncRun.objects.count() == 1


def test_a_settlement_tells_its_tie_out(finance: Program, ours: Company):
    told = well(finance.get(f"settlements/{ours.settlement.settlement_id}/"))
    figures = told["tie_out"]
    assert figures["total"] == figures["lines"] == figures["clearing"] == figures["other_accounts"] and figures["ties"]
    assert Decimal(figures["total"]) == ours.version.total
    held = well(finance.get(f"settlements/{ours.held.settlement_id}/"))
    assert (held["tie_out"]["ties"], held["journals"], held["versions"][0]["difference"]) == (False, [], "104.00")


def test_a_plan_is_told_with_all_its_figures_and_nothing_of_a_record_but_its_name(ours: Company):
    case = ours.fee_case
    (action,) = [each for each in case.kind.actions if each.name == "map-fee"]
    _, plan = plan_of(case=case, action=action, actor=ours.people[Role.FINANCE], data=mapping_of(case))
    told = plain(plan.detail)
    assert "password" not in str(told) and isinstance(told["map"], dict)
    assert plain({"who": ours.people[Role.OPS], "sums": {"GBP": Decimal("1.50")}}) == {
        "who": {"id": ours.people[Role.OPS].pk, "name": "Operations 1"},
        "sums": {"GBP": "1.50"},
    }
    assert plain(Entity.objects.get(pk=ours.entity.pk)) == {"id": ours.entity.pk, "name": "Brackenfold 1"}
