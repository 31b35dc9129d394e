"""What an adversary, or a program gone wrong, would send: it is refused in words, and nothing is told or done by it."""

import json

import pytest
from django.core import signing
from django.test import Client

from apps.core.models import AuditEntry, Membership
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.ledger.models import Journal
from tests.api.conftest import PREFIX, Program
from tests.api.test_acting import finance as finance
from tests.api.test_acting import mapping_of, well
from tests.console.conftest import Company

FAR = ("0001-01-01", "9999-12-31", "0000-00-00", "2026-02-30", "1e5", "-1")
ODD_NUMBERS = (10**9, 10**12, 10**30, 10**300, -1, 1e308, 0.1, "1e999999999", "NaN", "Infinity", "-0", "１２", "0x10", "\u0660")
ODD_TEXTS = ("\0", "\ud800", "\u202e", "a" * 100_000, "<script>", "'; DROP TABLE", "\x1b[0m", "\ufffe")


def refused(answer) -> dict:
    """In words, as something that is asked wrongly; never as a fault of ours."""
    assert answer.status_code in (400, 403, 404, 409, 413, 422), (answer.status_code, answer.content[:500])
    said = answer.json()
    assert said["detail"] and said["code"] != "internal"
    return said


def asked(program: Program, path: str, body: object) -> object:
    """As JSON, odd letters escaped."""
    return program.post(path, json.dumps(body).encode(), content_type="application/json")


def test_json_of_any_depth_is_read_or_refused(finance: Program, ours: Company):
    path = f"cases/{ours.fee_case.pk}/actions/map-fee/preview/"
    for depth in (20, 40, 200, 400, *range(600, 1000, 8), 10_000, 400_000):
        nested = b'{"data": {"account": ' + b"[" * depth + b"]" * depth + b"}}"
        refused(finance.post(path, nested, content_type="application/json"))
        refused(finance.post(f"cases/{ours.fee_case.pk}/note/", nested, content_type="application/json"))


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_texts_are_stored_whole_or_refused_wherever_they_stand(finance: Program, ours: Company, text: str):
    path = f"cases/{ours.fee_case.pk}"
    for body in ({text: "x"}, {"team": text, "reason": "x"}, {"team": "ops", text: [text]}, [text], text):
        refused(asked(finance, f"{path}/hand-over/", body))
    refused(asked(finance, f"{path}/actions/map-fee/preview/", {"data": {text: text}}))
    refused(asked(finance, f"{path}/actions/map-fee/preview/", {"data": mapping_of(ours.fee_case) | {"account": text}}))
    refused(asked(finance, f"{path}/actions/map-fee/perform/", {"digest": text, "data": {"account": [text, text]}}))
    refused(asked(finance, "bulk/", {"action": text, "cases": [ours.fee_case.pk]}))
    for name in ("q", "type", "cursor", "entity", "limit"):
        assert finance.get("cases/", **{name: text.encode("utf-8", "replace").decode()}).status_code in (200, 404, 422), name
    noted = asked(finance, f"{path}/note/", {"text": text})
    if noted.status_code == 200:
        assert AuditEntry.objects.filter(verb="case.noted").latest("pk").reason == text
    else:
        refused(noted)


@pytest.mark.parametrize("number", ODD_NUMBERS)
def test_odd_numbers_are_refused(finance: Program, ours: Company, number: object):
    chain = ours.settlement.link.chain_id
    for path, data in {
        f"stock/{ours.stocked.pk}/actions/set": {"least": number, "percent": "0", "where": "here", "reason": "x"},
        f"stock/{ours.stocked.pk}/actions/set/": {"least": 1, "percent": number, "where": "here", "reason": "x"},
        f"chains/{chain}/actions/confirm-opening": {"amount": number, "reason": "x"},
        f"cases/{ours.fee_case.pk}/actions/map-fee": mapping_of(ours.fee_case) | {"account": number},
        f"cases/{ours.fee_case.pk}/actions/map-fee/": mapping_of(ours.fee_case) | {"tax": number},
    }.items():
        program = Program(ours.people[Role.ECOMMERCE]) if path.startswith("stock") else finance
        plan = asked(program, f"{path.rstrip('/')}/preview/", {"data": data})
        if plan.status_code == 200:
            digest = plan.json()["digest"]
            done = asked(program, f"{path.rstrip('/')}/perform/", {"data": data, "digest": digest})
            assert done.status_code == 200 or refused(done), path
        else:
            refused(plan)
    for body in ({"above": number, "reason": "x"}, {"until": number, "reason": "x"}):
        answer = asked(finance, f"cases/{ours.fee_case.pk}/snooze/", body)
        assert answer.status_code == 200 or refused(answer)
    for name in ("least", "holder", "entity", "limit"):
        assert finance.get("cases/", **{name: str(number)}).status_code in (200, 404, 422), name


@pytest.mark.parametrize("day", FAR)
def test_days_out_of_range_are_refused_or_meant(finance: Program, ours: Company, day: str):
    ecommerce, ops = (Program(ours.people[role]) for role in (Role.ECOMMERCE, Role.OPS))
    rule = f"fee-rules/{well(finance.get('fee-rules/', limit=1))['results'][0]['id']}/actions/change"
    for program, path, data in (
        (finance, f"cases/{ours.fee_case.pk}/actions/map-fee", mapping_of(ours.fee_case) | {"since": day}),
        (finance, rule, {"account": mapping_of(ours.fee_case)["account"], "tax": "none", "since": day, "reason": "x"}),
        (ecommerce, f"listings/{ours.listing.pk}/actions/map", {"item": 1, "units": 1, "since": day}),
        (ops, f"routines/{ours.entity.pk}-rejected-orders/actions/peak", {"day": day}),
    ):
        plan = asked(program, f"{path}/preview/", {"data": data})
        if plan.status_code == 200:
            done = asked(program, f"{path}/perform/", {"data": data, "digest": plan.json()["digest"]})
            assert done.status_code == 200 or refused(done), path
        else:
            refused(plan)
    for hour in ("T00:00:00+14:00", "T23:59:59-12:00", "T12:00:00Z"):
        snoozed = asked(finance, f"cases/{ours.fee_case.pk}/snooze/", {"until": day + hour, "reason": "x"})
        assert snoozed.status_code == 200 or refused(snoozed)
        assert finance.get(f"cases/{ours.fee_case.pk}/").status_code == 200
        assert finance.get("orders/", changed_since=day + hour).status_code in (200, 422)
    for path in ("journals/", f"entities/{ours.entity.pk}/calendar/"):
        assert finance.get(path, month=day[:7]).status_code in (200, 422), path


def test_a_body_of_ten_megabytes_is_not_read(finance: Program, ours: Company):
    body = b'{"text": "' + b"x" * 10_000_000 + b'"}'
    assert refused(finance.post(f"cases/{ours.fee_case.pk}/note/", body, content_type="application/json"))["status"] == 413
    fields = {f"f{number}": "x" for number in range(2000)}
    headers = {"Authorization": f"Bearer {finance.token}", "Idempotency-Key": "many"}
    refused(finance.client.post(f"{PREFIX}/imports/", fields, headers=headers))


def test_a_record_named_twice_counts_once(finance: Program, ours: Company):
    draft = Journal.objects.filter(entity=ours.entity, state="draft").first().pk
    plan = well(finance.post("journals/approve/preview/", {"journals": [draft, draft]}))
    assert len(plan["detail"]["go"]) == 1
    well(finance.post("journals/approve/", {"journals": [draft, draft], "digest": plan["digest"]}))
    assert AuditEntry.objects.filter(verb="journal.approved").count() == 1
    bulk = well(finance.post("bulk/", {"action": "claim", "cases": [ours.fee_case.pk] * 3}), 201)
    assert bulk["members"] == 1


def test_a_role_that_is_taken_away_ends_what_a_token_can(finance: Program, ours: Company, theirs: Company):
    well(finance.post(f"cases/{ours.fee_case.pk}/claim/"))
    Membership.objects.create(user=finance.user, entity=theirs.entity, role=Role.FINANCE)
    Membership.objects.filter(user=finance.user, entity=ours.entity).delete()
    for path in (f"cases/{ours.fee_case.pk}/", f"settlements/{ours.settlement.settlement_id}/", f"batches/{ours.batch.pk}/file/"):
        assert finance.get(path).status_code == 404
    assert finance.post(f"cases/{ours.fee_case.pk}/release/").status_code == 404
    assert finance.get("cases/", entity=ours.entity.pk).status_code == 404
    assert {row["entity"]["id"] for row in well(finance.get("cases/"))["results"]} == {theirs.entity.pk}
    Membership.objects.filter(user=finance.user).delete()
    assert finance.get("cases/").status_code == 401


def test_a_preview_of_one_is_no_leave_for_another(finance: Program, ours: Company, theirs: Company):
    Membership.objects.create(user=finance.user, entity=theirs.entity, role=Role.VIEWER)
    data = mapping_of(ours.fee_case)
    digest = well(finance.post(f"cases/{ours.fee_case.pk}/actions/map-fee/preview/", {"data": data}))["digest"]
    other = finance.post(f"cases/{theirs.fee_case.pk}/actions/map-fee/perform/", {"data": data, "digest": digest})
    assert other.status_code == 403 and Case.objects.get(pk=theirs.fee_case.pk).state == "open"
    crossed = finance.post(
        f"cases/{ours.fee_case.pk}/actions/map-fee/preview/", {"data": data | {"account": mapping_of(theirs.fee_case)["account"]}}
    )
    assert list(refused(crossed)["fields"]) == ["account"]
    mixed = [Journal.objects.filter(entity=company.entity).first().pk for company in (ours, theirs)]
    refused(finance.post("journals/approve/preview/", {"journals": mixed}))


def test_a_cursor_is_good_for_its_own_list_alone(finance: Program, ours: Company):
    forged = signing.dumps([9.9, 1], salt=f"api cursor of {PREFIX}/cases/", key="guessed")
    assert refused(finance.get("cases/", cursor=forged))["fields"]
    for cursor in ("", "a:b:c", "." * 500, "é", "null"):
        assert finance.get("cases/", cursor=cursor).status_code == 422, cursor


def test_a_session_without_its_csrf_token_writes_nothing_and_reads_no_more_than_its_person(ours: Company, theirs: Company):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ours.people[Role.FINANCE])
    browser.post("/company/", {"company": str(theirs.entity.pk)})
    assert browser.get(f"{PREFIX}/cases/{theirs.fee_case.pk}/").status_code == 404
    browser.get("/")
    token, headers = browser.cookies["csrftoken"].value, {"Idempotency-Key": "a"}
    address = f"{PREFIX}/cases/{ours.fee_case.pk}/claim/"
    for more in ({}, {"X-CSRFToken": "x" * len(token)}, {"X-CSRFToken": token, "Origin": "https://evil.example"}):
        answer = browser.post(address, {}, content_type="application/json", headers=headers | more)
        assert answer.status_code == 403 and answer["Content-Type"] == "application/problem+json"
    both = browser.post(address, {}, content_type="application/json", headers=headers | {"Authorization": "Bearer oc_x"})
    assert both.status_code == 401, "a bad token is not made good by a session"
    assert Case.objects.get(pk=ours.fee_case.pk).state == "open"
