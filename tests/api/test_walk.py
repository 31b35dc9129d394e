"""Every address of the API, every role, two companies: who gets in, and nothing shows what is another's."""

import json

from django.test import Client

from apps.api.urls import urlpatterns
from apps.core.models import AuditEntry, Membership
from apps.core.permissions import Role
from apps.ledger.models import Journal
from apps.settlements.models import FeeRule, FeeSignature, ReserveChain
from apps.work.bulk.models import Bulk
from apps.work.bulk.operations import freeze
from tests.api.conftest import PREFIX, Program
from tests.console.conftest import Company

FINANCE, ECOMMERCE, OPS, ADMIN, VIEWER = Role.FINANCE, Role.ECOMMERCE, Role.OPS, Role.ADMIN, Role.VIEWER
EVERYBODY = set(Role)
MONEY = {FINANCE, ADMIN, VIEWER}
FEEDS = {OPS, ADMIN, VIEWER}
SHEETS = {FINANCE, ECOMMERCE, ADMIN}
# kind of record -> whose roles read it. A case is only there for who reads its queue, an import for who may bring its sheet.
READ = {
    "entities": EVERYBODY,
    "cases": EVERYBODY,
    "settlements": MONEY,
    "journals": MONEY,
    "batches": MONEY,
    "orders": EVERYBODY,
    "listings": EVERYBODY,
    "fee-signatures": MONEY,
    "fee-rules": MONEY,
    "imports": SHEETS,
    "sources": FEEDS,
    "runs": FEEDS,
    "audit": EVERYBODY,
    "bulk": EVERYBODY,
    "approvals": EVERYBODY,
    "chains": MONEY,
    "stock": EVERYBODY,
    "jobs": MONEY | FEEDS,
    "routines": EVERYBODY,
    "saved-views": EVERYBODY,
    "shifts": EVERYBODY,
}
ONE = READ | dict.fromkeys(("cases", "bulk", "approvals", "saved-views", "shifts"), MONEY) | {"imports": {ECOMMERCE, ADMIN}}
BELOW = {
    "cases-actions": ("cases", "actions/"),
    "cases-timeline": ("cases", "timeline/"),
    "listings-actions": ("listings", "actions/"),
    "imports-rows": ("imports", "rows/"),
    "batches-file": ("batches", "file/"),
    "bulk-members": ("bulk", "members/"),
    "fee-rules-actions": ("fee-rules", "actions/"),
    "batches-actions": ("batches", "actions/"),
    "imports-actions": ("imports", "actions/"),
    "chains-actions": ("chains", "actions/"),
    "stock-actions": ("stock", "actions/"),
    "routines-actions": ("routines", "actions/"),
    "entities-calendar": ("entities", "calendar/?month=2026-12"),
}
WRITTEN = {  # name -> kind, what follows the record, a body that is well-formed
    "cases-claim": ("cases", "claim/", {}),
    "cases-release": ("cases", "release/", {}),
    "cases-assign": ("cases", "assign/", {"to": None}),
    "cases-snooze": ("cases", "snooze/", {"until": "2099-01-01T09:00:00Z", "reason": "later"}),
    "cases-wake": ("cases", "wake/", {}),
    "cases-dismiss": ("cases", "dismiss/", {"reason": "no"}),
    "cases-note": ("cases", "note/", {"text": "seen"}),
    "cases-preview": ("cases", "actions/map-fee/preview/", {}),
    "cases-perform": ("cases", "actions/map-fee/perform/", {"digest": "0"}),
    "cases-propose": ("cases", "actions/map-fee/propose/", {"digest": "0"}),
    "cases-hand-over": ("cases", "hand-over/", {"team": "ops", "reason": "theirs"}),
    "listings-propose": ("listings", "actions/map/propose/", {"digest": "0"}),
    "imports-preview": ("imports", "actions/apply/preview/", {}),
    "imports-perform": ("imports", "actions/apply/perform/", {"digest": "0"}),
    "imports-propose": ("imports", "actions/undo/propose/", {"digest": "0"}),
    "fee-rules-preview": ("fee-rules", "actions/undo/preview/", {}),
    "fee-rules-perform": ("fee-rules", "actions/undo/perform/", {"digest": "0"}),
    "fee-rules-propose": ("fee-rules", "actions/change/propose/", {"digest": "0"}),
    "batches-preview": ("batches", "actions/void/preview/", {}),
    "batches-perform": ("batches", "actions/void/perform/", {"digest": "0"}),
    "chains-preview": ("chains", "actions/confirm/preview/", {}),
    "chains-perform": ("chains", "actions/end-chain/perform/", {"digest": "0"}),
    "stock-preview": ("stock", "actions/set/preview/", {}),
    "stock-perform": ("stock", "actions/set/perform/", {"digest": "0"}),
    "routines-preview": ("routines", "actions/sign/preview/", {}),
    "routines-perform": ("routines", "actions/sign/perform/", {"digest": "0"}),
    "jobs-run-again": ("jobs", "run-again/", {}),
    "jobs-stop": ("jobs", "stop/", {}),
    "bulk-confirm": ("bulk", "confirm/", {"digest": "0"}),
    "bulk-go-on": ("bulk", "go-on/", {}),
    "bulk-propose": ("bulk", "propose/", {"digest": "0"}),
    "bulk-put-back": ("bulk", "put-back/", {}),
    "bulk-retry-failed": ("bulk", "retry-failed/", {}),
    "bulk-stop": ("bulk", "stop/", {}),
    "approvals-approve": ("approvals", "approve/", {"digest": "0"}),
    "approvals-decline": ("approvals", "decline/", {"words": "no"}),
    "approvals-withdraw": ("approvals", "withdraw/", {}),
    "shifts-take-over": ("shifts", "take-over/", {}),
    "listings-preview": ("listings", "actions/map/preview/", {}),
    "listings-perform": ("listings", "actions/map/perform/", {"digest": "0"}),
    "journals-withdraw": ("journals", "withdraw/", {"digest": "0", "data": {"reason": "odd"}}),
    "journals-preview-withdraw": ("journals", "withdraw/preview/", {}),
    "imports-throw-away": ("imports", "throw-away/", {}),
    "sources-fetch": ("sources", "fetch/", {}),
}
ALONE = {"trends", "runbooks-list", "runbooks-detail", "runbooks-write", "intake", "schema", "nothing"}  # no company's, or of all
OF_JOURNALS = {  # name -> path, more than the journals; several are written to at once
    "journals-preview-approve": ("journals/approve/preview/", {}),
    "journals-approve": ("journals/approve/", {"digest": "0"}),
    "journals-preview-export": ("journals/export/preview/", {"data": {"format": "generic"}}),
    "journals-export": ("journals/export/", {"digest": "0", "data": {"format": "generic"}}),
}
ALLOWED = {
    "cases": {FINANCE},
    "listings": {ECOMMERCE},
    "journals": {FINANCE},
    "imports": {ECOMMERCE, ADMIN},
    "sources": {OPS, ADMIN},
    "fee-rules": {FINANCE},
    "batches": {FINANCE},
    "chains": {FINANCE},
    "stock": {ECOMMERCE},
    "routines": {OPS},
    "jobs": {OPS, ADMIN},
    "runbooks": {FINANCE},
    "bulk": {FINANCE},  # who made it
    "approvals": {FINANCE},  # who asked, and so alone withdraws
    "shifts": {FINANCE},
    "approvals-approve": set(),
    "approvals-decline": set(),
}


def key_of(kind: str, company: Company) -> int | str:
    return {
        "entities": lambda: company.entity.pk,
        "cases": lambda: company.fee_case.pk,
        "settlements": lambda: company.settlement.settlement_id,
        "journals": lambda: Journal.objects.filter(entity=company.entity).first().pk,
        "batches": lambda: company.batch.pk,
        "orders": lambda: company.order.pk,
        "listings": lambda: company.listing.pk,
        "fee-signatures": lambda: FeeSignature.objects.filter(entity=company.entity).first().pk,
        "fee-rules": lambda: FeeRule.objects.filter(entity=company.entity).first().pk,
        "imports": lambda: company.imported.pk,
        "sources": lambda: company.run.source_id,
        "runs": lambda: company.run.pk,
        "audit": lambda: AuditEntry.objects.filter(entity=company.entity).first().pk,
        "bulk": lambda: bulk_of(company).pk,
        "approvals": lambda: company.proposal.pk,
        "chains": lambda: ReserveChain.objects.get(connection=company.connection).pk,
        "stock": lambda: company.stocked.pk,
        "jobs": lambda: company.run.job_id,
        "routines": lambda: f"{company.entity.pk}-rejected-orders",
        "saved-views": lambda: company.saved_view.pk,
        "shifts": lambda: company.shift_note.pk,
    }[kind]()


def bulk_of(company: Company) -> Bulk:
    """A note on the case of the fee by Finance, not checked, at the latest now."""
    if found := Bulk.objects.filter(made_by=company.people[FINANCE]).first():
        return found
    asked = {"action": "note", "data": {"text": "Seen"}, "entity_ids": [company.entity.pk], "case_ids": [company.fee_case.pk]}
    return freeze(user=company.people[FINANCE], **asked)


def test_every_address_has_a_row_here():
    lists = {f"{kind}-list" for kind in READ} | {f"{kind}-detail" for kind in READ}
    here = lists | BELOW.keys() | WRITTEN.keys() | OF_JOURNALS.keys() | ALONE
    assert {pattern.name.removeprefix("api-") for pattern in urlpatterns} == here


def test_who_reads_what(ours: Company, theirs: Company):
    ids = {kind: (key_of(kind, ours), key_of(kind, theirs)) for kind in READ}  # before any list, so that each has a record
    for role in Role:
        _reads(Program(ours.people[role]), role, ids, theirs)


def _reads(program: Program, role: Role, ids: dict, theirs: Company) -> None:
    for kind, roles in READ.items():
        answer = program.get(f"{kind}/")
        assert answer.status_code == (200 if role in roles else 403), (role, kind, answer.content)
        assert "Brackenfold 2" not in answer.content.decode(), kind
        if role in ONE[kind]:
            assert answer.json()["results"], kind
    below = [(kind, "", ONE[kind]) for kind in READ] + [(kind, more, ONE[kind]) for kind, more in BELOW.values()]
    for kind, more, roles in below:
        mine, others = ids[kind]
        answer = program.get(f"{kind}/{mine}/{more}")
        refused = 404 if role in READ[kind] else 403
        assert answer.status_code == (200 if role in roles else refused), (role, kind, more, answer.content)
        assert b"Brackenfold 2" not in answer.content
        assert program.get(f"{kind}/{others}/{more}").status_code == refused, (kind, more)
        asked = program.get(f"{kind}/", entity=theirs.entity.pk)
        assert asked.status_code == (404 if role in READ[kind] else 403), kind


def test_who_writes_what(ours: Company, theirs: Company):
    for role in (VIEWER, OPS, ECOMMERCE, ADMIN, FINANCE):  # the last one hands the case over
        _writes(Program(ours.people[role]), role, ours, theirs)
    assert not AuditEntry.objects.filter(entity=theirs.entity, actor__in=ours.people.values()).exists()


def _writes(program: Program, role: Role, ours: Company, theirs: Company) -> None:
    for name, (kind, more, body) in WRITTEN.items():
        reads, allowed = role in ONE[kind], role in ALLOWED.get(name, ALLOWED[kind])
        answer = program.post(f"{kind}/{key_of(kind, ours)}/{more}", body)
        if allowed:
            assert answer.status_code in (200, 409, 422), (role, name, answer.content)
        else:
            assert answer.status_code == (403 if reads or role not in READ[kind] else 404), (role, name, answer.content)
        others = program.post(f"{kind}/{key_of(kind, theirs)}/{more}", body)
        assert others.status_code == (403 if role not in READ[kind] else 404), (role, name, others.content)
    for name, (path, more) in OF_JOURNALS.items():
        journals = [Journal.objects.filter(entity=company.entity).first().pk for company in (ours, theirs)]
        answer = program.post(path, {"journals": journals[:1], **more})
        assert answer.status_code in ((200, 409, 422) if role == FINANCE else (403,)), (role, name, answer.content)
        assert program.post(path, {"journals": journals, **more}).status_code == (404 if role in MONEY else 403), name


def test_the_buyer_is_told_only_to_roles_that_read_buyers(ours: Company):
    path = f"orders/{ours.order.pk}/"
    for role in Role:
        answer = Program(ours.people[role]).get(path)
        assert ("Anna Maria Smith" in answer.content.decode()) == (role in (OPS, ADMIN)), role
        assert (answer.json()["buyer"] is None) == (role not in (OPS, ADMIN)), role


def test_one_person_in_two_companies_gets_both_or_the_one_they_name(ours: Company, theirs: Company):
    marta = ours.people[FINANCE]
    Membership.objects.create(user=marta, entity=theirs.entity, role=VIEWER)
    program = Program(marta)
    names = lambda answer: {row["entity"]["name"] for row in answer.json()["results"]}  # noqa: E731
    assert names(program.get("settlements/")) == {"Brackenfold 1", "Brackenfold 2"}
    assert names(program.get("settlements/", entity=theirs.entity.pk)) == {"Brackenfold 2"}
    refused = program.post(f"cases/{theirs.fee_case.pk}/claim/")
    assert refused.status_code == 403 and "Finance 2 can" in refused.json()["detail"]


def test_a_stranger_and_a_revoked_token_are_told_to_come_with_a_token(ours: Company):
    for headers in ({}, {"Authorization": "Bearer oc_nothing"}, {"Authorization": "Basic eDp5"}):
        for path in ("cases/", f"cases/{ours.fee_case.pk}/", "schema/"):
            answer = Client().get(f"{PREFIX}/{path}", headers=headers)
            assert answer.status_code == 401 and answer["WWW-Authenticate"] == "Bearer"
            assert json.loads(answer.content)["code"] in ("not-authenticated", "authentication-failed")


def test_a_page_may_ask_with_its_session_and_writes_with_the_csrf_token(ours: Company):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ours.people[FINANCE])
    assert browser.get(f"{PREFIX}/cases/").status_code == 200
    claim = f"{PREFIX}/cases/{ours.fee_case.pk}/claim/"
    refused = browser.post(claim, {}, content_type="application/json", headers={"Idempotency-Key": "a"})
    assert refused.status_code == 403 and "CSRF" in refused.json()["detail"]
    browser.get("/")
    token = browser.cookies["csrftoken"].value
    headers = {"Idempotency-Key": "a", "X-CSRFToken": token}
    assert browser.post(claim, {}, content_type="application/json", headers=headers).status_code == 200
