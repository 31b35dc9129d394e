"""What programs do beside cases, journals and listings: rules, batches, imports, jobs, stock, runbooks, routines, chains."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from apps.catalog.models import Item
from apps.core.models import AuditEntry
from apps.core.operations import set_second_person
from apps.core.permissions import Role
from apps.exceptions.types import REGISTRY
from apps.integrations.jobs import run_here
from apps.inventory.models import Buffer
from apps.ledger.models import Account, Journal
from apps.settlements.models import FeeRule, ReserveChain, Resolution
from apps.work.models import OwnDay, SignedCheck, WorkCalendar
from tests.api.conftest import Program
from tests.api.test_acting import finance as finance
from tests.api.test_acting import well
from tests.console.conftest import Company


def done(program: Program, path: str, data: dict | None = None) -> dict:
    """Previewed, and then done just so."""
    plan = well(program.post(f"{path}/preview/", {"data": data or {}}))
    return well(program.post(f"{path}/perform/", {"data": data or {}, "digest": plan["digest"]}))


def offered(program: Program, record: str) -> list[str]:
    return [each["name"] for each in well(program.get(f"{record}/actions/"))]


def test_a_rule_is_changed_and_the_change_undone(finance: Program, ours: Company):
    rule = Resolution.objects.filter(rule__entity=ours.entity).exclude(rule__account=None).first().rule
    another = Account.objects.postable().filter(entity=ours.entity).exclude(pk=rule.account_id).first()
    said = {"account": another.pk, "tax": "none", "reason": "The auditor says so"}
    assert "Changed" in done(finance, f"fee-rules/{rule.pk}/actions/change", said)["words"]
    now = f"fee-rules/{FeeRule.objects.get(reason=said['reason']).pk}"
    assert well(finance.get(f"{now}/"))["account"] == another.code
    assert finance.get(f"fee-rules/{rule.pk}/").status_code == 404
    assert "Undone" in done(finance, f"{now}/actions/undo", {"reason": "They changed their mind"})["words"]
    standing = FeeRule.objects.in_force().get(entity=ours.entity, reason="They changed their mind")
    assert standing.account == rule.account


def test_a_rule_above_the_limits_takes_a_second_person(finance: Program, ours: Company):
    limits = {"above": Decimal(0), "lines_above": 0, "reason": "Four eyes"}
    set_second_person(entity=ours.entity, actor=ours.people[Role.ADMIN], **limits)
    rule = Resolution.objects.filter(rule__entity=ours.entity).exclude(rule__account=None).first().rule
    another = Account.objects.postable().filter(entity=ours.entity).exclude(pk=rule.account_id).first()
    path, data = f"fee-rules/{rule.pk}/actions/change", {"account": another.pk, "tax": "none", "reason": "So it is"}
    body = {"data": data, "digest": well(finance.post(f"{path}/preview/", {"data": data}))["digest"]}
    assert finance.post(f"{path}/perform/", body).json()["code"] == "needs-second-person"
    assert well(finance.post(f"{path}/propose/", body))["kind"] == "rule"
    assert FeeRule.objects.in_force().filter(pk=rule.pk).exists()


def test_a_batch_is_voided_once(finance: Program, ours: Company):
    record = f"batches/{ours.batch.pk}"
    assert offered(finance, record) == ["void"]
    assert "void" in done(finance, f"{record}/actions/void", {"reason": "Imported twice"})["words"]
    told = well(finance.get(f"{record}/"))
    assert (told["voided_by"]["name"], told["void_reason"]) == ("Finance 1", "Imported twice")
    assert offered(finance, record) == [] and not Journal.objects.filter(state="exported").exists()
    again = finance.post(f"{record}/actions/void/preview/", {"data": {"reason": "Once more"}})
    assert again.status_code == 422 and "already" in again.json()["detail"]


def test_a_sheet_that_was_saved_is_undone_as_one(ours: Company):
    program, row = Program(ours.people[Role.ADMIN]), ours.imported
    record = f"imports/{row.pk}"
    assert offered(program, record) == ["apply"]
    done(program, f"{record}/actions/apply")
    row.refresh_from_db()
    run_here(row.job)
    assert offered(program, record) == ["undo"] and Item.objects.filter(entity=ours.entity).exists()
    done(program, f"{record}/actions/undo", {"reason": "The wrong file"})
    told = well(program.get(f"{record}/"))
    assert (told["state"], told["undone_by"]["name"]) == ("undone", "Admin 1")
    assert not Item.objects.filter(entity=ours.entity).exists()


def test_work_is_stopped_and_begun_again(ours: Company):
    program, job = Program(ours.people[Role.OPS]), ours.run.job
    stopped = well(program.post(f"jobs/{job.pk}/stop/"))
    assert (stopped["state"], stopped["words"]) == ("stopped", "Operations 1 stopped it.")
    assert [row["id"] for row in well(program.get("jobs/", state="stopped"))["results"]] == [job.pk]
    assert program.post(f"jobs/{job.pk}/stop/").status_code == 422
    assert well(program.post(f"jobs/{job.pk}/run-again/"))["state"] == "waiting"
    assert AuditEntry.objects.filter(subject=f"job:{job.pk}", actor=program.user).count() == 2


def test_stock_says_what_may_be_sold_elsewhere(ours: Company):
    program, listing = Program(ours.people[Role.ECOMMERCE]), ours.stocked
    record = f"stock/{listing.pk}"
    told = well(program.get(f"{record}/"))
    assert (told["units"]["fulfillable"], told["available"], told["buffer"], told["stale"]) == (12, 12, None, False)
    assert told["units"]["total"] is None  # not reported, which is not zero
    assert offered(program, record) == ["set"]
    done(program, f"{record}/actions/set", {"least": 5, "percent": "10.00", "where": "here", "reason": "The shop oversold"})
    told = well(program.get(f"{record}/"))
    assert (told["available"], told["buffer"]) == (7, {"least": 5, "percent": "10.00", "of": "listing"})
    assert [row["id"] for row in well(program.get("stock/", low="false"))["results"]] == [listing.pk]
    assert well(program.get("stock/", low="true"))["results"] == []
    assert offered(program, record) == ["set", "remove"]
    done(program, f"{record}/actions/remove", {"reason": "It was counted again"})
    assert not Buffer.objects.in_force().exists()


def test_runbooks_are_read_by_pages_and_added_to(finance: Program, ours: Company, theirs: Company):
    found, path = [], "runbooks/?limit=7"
    while path:
        page = well(finance.get(path))
        found += [row["code"] for row in page["results"]]
        path = page["next"]
    assert found == sorted(REGISTRY)
    assert {row["team"] for row in well(finance.get("runbooks/", team="ops"))["results"]} == {"ops"}
    _, code = theirs.runbook, "runbooks/settlement.fee-unmapped"
    assert well(finance.get(f"{code}/"))["additions"] == []
    said = {"entity": ours.entity.pk, "text": "Ask Marta.", "after": 0}
    assert well(finance.post(f"{code}/write/", said))["version"] == 1
    assert finance.post(f"{code}/write/", said | {"text": "Ask Ian."}).json()["code"] == "changed"
    (told,) = well(finance.get(f"{code}/"))["additions"]
    assert (told["text"], told["written_by"]["name"]) == ("Ask Marta.", "Finance 1")
    assert finance.post(f"{code}/write/", said | {"entity": theirs.entity.pk}).status_code == 422
    assert Program(ours.people[Role.OPS]).post(f"{code}/write/", said | {"after": 1}).status_code == 403
    assert finance.get("runbooks/no.such/").status_code == 404


def test_a_routine_is_signed_as_it_was_shown(ours: Company):
    WorkCalendar.objects.create(entity=ours.entity, weekdays=list(range(7)))
    program, order = Program(ours.people[Role.OPS]), ours.order
    record = f"routines/{ours.entity.pk}-rejected-orders"
    told = well(program.get(f"{record}/"))
    assert told["due"] and told["days"][-1]["signed_by"] is None
    plan = well(program.post(f"{record}/actions/sign/preview/"))
    type(order).objects.filter(pk=order.pk).update(purchased_at=timezone.now() - timedelta(days=3), ship_by=timezone.now())
    signing = {"digest": plan["digest"], "data": {"note": "All is well"}}
    changed = program.post(f"{record}/actions/sign/perform/", signing)
    assert changed.status_code == 409 and not SignedCheck.objects.exists()
    well(program.post(f"{record}/actions/sign/perform/", signing | {"digest": changed.json()["plan"]["digest"]}))
    check = SignedCheck.objects.get(entity=ours.entity)
    assert (check.signed_by, check.note) == (program.user, "All is well")
    told = well(program.get(f"{record}/"))
    signed = [slot for slot in told["days"] if slot["signed_by"]]
    assert [slot["note"] for slot in signed] == ["All is well"] and "sign" not in offered(program, record)
    names = {row["name"] for row in well(Program(ours.people[Role.ECOMMERCE]).get("routines/"))["results"]}
    assert "inventory-variance" in names and "payouts" not in names


def test_a_calendar_says_why_nobody_works(finance: Program, ours: Company):
    WorkCalendar.objects.create(entity=ours.entity, weekdays=[0, 1, 2, 3, 4], country="GB", subdivision="ENG")
    OwnDay.objects.create(entity=ours.entity, day="2026-12-29", works=False, name="Stocktake", set_by=finance.user)
    told = well(finance.get(f"entities/{ours.entity.pk}/calendar/", month="2026-12"))
    off = {row["day"]: row["why"] for row in told["off"]}
    assert off["2026-12-25"] == "Christmas Day" and off["2026-12-29"] == "Stocktake" and off["2026-12-05"] == "Saturday"
    assert told["weekdays"][-1] == "Friday" and "2026-12-01" not in off


def test_a_chain_is_told_link_by_link_and_confirmed(finance: Program, ours: Company):
    chain = ReserveChain.objects.get(connection=ours.connection)
    told = well(finance.get(f"chains/{chain.pk}/"))
    assert told["confirmed_by"] is None and told["links"][0]["link"] in ("opening", "holds")
    assert {"confirm", "confirm-opening", "move-settlement", "end-chain"} == set(offered(finance, f"chains/{chain.pk}"))
    done(finance, f"chains/{chain.pk}/actions/confirm")
    assert well(finance.get(f"chains/{chain.pk}/"))["confirmed_by"]["name"] == "Finance 1"


def test_trends_tell_of_the_queues_that_one_reads(finance: Program, ours: Company, theirs: Company):
    told = well(finance.get("trends/", weeks="4"))
    assert told["unit"] == "day" and len(told["cuts"]) == 28
    assert told["whole"]["opened"] == told["cuts"][-1]["opened"] > 0
    now = [row for row in told["stakes"] if row["since"] == told["cuts"][-1]["since"]]
    assert {row["team"] for row in now} == {"finance"}
    assert finance.get("trends/", entity=theirs.entity.pk).status_code == 404
    assert well(Program(ours.people[Role.OPS]).get("trends/"))["whole"]["opened"] < told["whole"]["opened"]
    assert finance.get("trends/", weeks="5").status_code == 422


def test_a_saved_view_is_asked_of_the_cases(finance: Program, ours: Company):
    view = ours.saved_view
    (told,) = well(finance.get("saved-views/"))["results"]
    assert (told["id"], told["name"], told["entity"]["id"]) == (str(view.pk), view.name, ours.entity.pk)
    assert finance.get("cases/", **told["asks"]).status_code == 200


@pytest.mark.parametrize("address", ["1-no-such-routine", "999999-rejected-orders", "x"])
def test_no_routine_is_there_that_is_not(finance: Program, ours: Company, address: str):
    assert finance.get(f"routines/{address}/").status_code == 404
