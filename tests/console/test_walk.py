"""Every address, every role, two companies: who gets in, who is told why not, and nothing shows what is another's."""

import re

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from apps.core.permissions import Role
from apps.integrations.models import Job, StoredFile
from apps.ledger.models import Account, Journal
from apps.settlements.models import FeeRule, FeeSignature, ReserveChain
from tests.console.conftest import Company
from tests.console.pages import Page

FINANCE, ECOMMERCE, OPS, ADMIN, VIEWER = Role.FINANCE, Role.ECOMMERCE, Role.OPS, Role.ADMIN, Role.VIEWER
EVERYBODY = set(Role)
MONEY = {FINANCE, ADMIN, VIEWER}
FEEDS = {OPS, ADMIN, VIEWER}

OPEN = {"login", "logout", "company", "forgot", "set_password"}  # not behind the door, or only with a POST; tested in test_login
READ = {
    "home": EVERYBODY,
    "start": EVERYBODY,
    "search": EVERYBODY,
    "settlements": MONEY,
    "upload": {FINANCE, ADMIN},
    "jobs": {FINANCE, ADMIN, VIEWER, OPS},
    "runs": FEEDS,
    "connections": FEEDS,
    "connect_platform": {ADMIN},
    "journals": MONEY,
    "exports": MONEY,
    "close": MONEY,
    "chains": MONEY,
    "mapping": MONEY,
    "coverage": MONEY,
    "coverage_file": MONEY,
    "accounts": MONEY,
    "charts": {FINANCE, ADMIN},
    "listings": EVERYBODY,
    "sku_coverage": EVERYBODY,
    "sku_coverage_file": EVERYBODY,
    "items": EVERYBODY,
    "imports": {FINANCE, ECOMMERCE, ADMIN},
    "orders": EVERYBODY,
    "approvals": EVERYBODY,
    "audit": EVERYBODY,
    "trends": EVERYBODY,
    "flow_file": EVERYBODY,
    "stakes_file": EVERYBODY,
    "alerts": EVERYBODY,
    "alert_channels": EVERYBODY,
    "bulks": EVERYBODY,
    "people": {ADMIN},
    "runbooks": EVERYBODY,
    "shifts": EVERYBODY,
    "my_account": EVERYBODY,
    "stock": EVERYBODY,
    "api_docs": EVERYBODY,
}
QUEUES = {
    "finance": MONEY,
    "ecommerce": {ECOMMERCE, ADMIN, VIEWER},
    "ops": {OPS, ADMIN, VIEWER},
    "admin": {ADMIN, VIEWER},
}
OF_ONE = {
    "bulk": MONEY,
    "bulk_results": MONEY,
    "case": MONEY,
    "runbook": EVERYBODY,
    "saved_view": MONEY,
    "alert": MONEY,
    "alert_channel": MONEY,
    "alert_measures": EVERYBODY,
    "settlement": MONEY,
    "settlement_fall": MONEY,
    "settlement_lines": MONEY,
    "settlement_line": MONEY,
    "file_raw": MONEY,
    "job": {FINANCE, ADMIN, VIEWER, OPS},
    "journal": MONEY,
    "approve": {FINANCE},
    "export": {FINANCE},
    "batch": MONEY,
    "batch_file": MONEY,
    "chain": MONEY,
    "signature": MONEY,
    "rule": MONEY,
    "account": MONEY,
    "held_legs": MONEY,
    "listing": EVERYBODY,
    "release": EVERYBODY,
    "order": EVERYBODY,
    "order_settings": EVERYBODY,
    "check": EVERYBODY,
    "shift": MONEY,
    "end_shift": {FINANCE},
    "work_calendar": EVERYBODY,
    "signed_check": EVERYBODY,
    "run": FEEDS,
    "connection": FEEDS,
    "close_month": MONEY,
    "month_fall": MONEY,
    "one_person": MONEY,
    "import": {ECOMMERCE, ADMIN},
    "import_errors": {ECOMMERCE, ADMIN},
    "import_export": {ECOMMERCE, ADMIN},
    "import_empty": {ECOMMERCE, ADMIN},
    "stock_listing": EVERYBODY,
    "limits": EVERYBODY,
    "approval": MONEY,
    "person": {ADMIN},
    "api_docs_of": EVERYBODY,
}
NOBODYS = ("import_empty", "api_docs_of", "runbook")  # an empty sheet, and what is the same for everybody
HIDDEN = ("bulk", "bulk_results", "alert", "alert_channel", "case", "approval", "shift")  # are not there for whom they are not
WRITTEN = {
    "approval_do",
    "account_do",
    "alert_test",
    "act",
    "assign_ticked",
    "bulk_do",
    "bulk_new",
    "case_move",
    "check_do",
    "connection_check",
    "end_session",
    "held_legs_do",
    "import_do",
    "job_move",
    "listing_do",
    "person_do",
    "revoke_token",
    "replay",
    "rule_do",
    "runbook_write",
    "run_do",
    "save_view",
    "saved_view_do",
    "stock_listing_do",
    "take_over",
    "void",
    "withdraw",
}


def address_of(name: str, company: Company) -> str:
    settlement = company.settlement.settlement_id
    if name in ("import_export", "import_empty"):
        return f"{reverse(name, args=['items', 'csv'])}?company={company.entity.pk}"
    if name in ("approve", "export"):
        return f"{reverse(name)}?journal={Journal.objects.filter(entity=company.entity).first().pk}"
    args = {
        "api_docs_of": lambda: ["cases"],
        "case": lambda: [company.fee_case.pk],
        "runbook": lambda: [company.runbook.type],
        "bulk": lambda: [company.bulk.pk],
        "bulk_results": lambda: [company.bulk.pk],
        "saved_view": lambda: ["finance", company.saved_view.pk],
        "alert": lambda: [company.alert.pk],
        "alert_channel": lambda: [company.alert.channel_id],
        "alert_measures": lambda: [company.entity.pk],
        "settlement": lambda: [settlement],
        "settlement_fall": lambda: [settlement],
        "settlement_lines": lambda: [settlement],
        "settlement_line": lambda: [settlement, 3],
        "file_raw": lambda: [StoredFile.objects.filter(connection=company.connection).first().pk],
        "job": lambda: [Job.objects.filter(entity=company.entity).first().pk],
        "journal": lambda: [Journal.objects.filter(entity=company.entity).first().pk],
        "close_month": lambda: [company.entity.pk, "2026-10"],
        "month_fall": lambda: [company.entity.pk, "2026-10"],
        "one_person": lambda: [company.entity.pk],
        "limits": lambda: [company.entity.pk],
        "approval": lambda: [company.proposal.pk],
        "chain": lambda: [ReserveChain.objects.filter(connection=company.connection).earliest("pk").pk],
        "rule": lambda: [FeeRule.objects.filter(entity=company.entity).first().pk],
        "account": lambda: [Account.objects.filter(entity=company.entity).first().pk],
        "order": lambda: [company.order.pk],
        "order_settings": lambda: [company.entity.pk],
        "run": lambda: [company.run.pk],
        "connection": lambda: [company.run.source.connection_id],
        "work_calendar": lambda: [company.entity.pk],
        "check": lambda: [company.entity.pk, "rejected-orders"],
        "signed_check": lambda: [company.signed_check.pk],
        "shift": lambda: [company.shift_note.pk],
        "end_shift": lambda: [company.entity.pk, "finance"],
        "listing": lambda: [company.listing.pk],
        "release": lambda: [company.release.pk],
        "held_legs": lambda: [company.held_legs.pk],
        "batch": lambda: [company.batch.pk],
        "import": lambda: [company.imported.pk],
        "import_errors": lambda: [company.imported.pk, "csv"],
        "batch_file": lambda: [company.batch.pk],
        "stock_listing": lambda: [company.stocked.pk],
        "person": lambda: [company.people[VIEWER].pk],
        "signature": lambda: [FeeSignature.objects.filter(entity=company.entity).first().pk],
    }[name]()
    return reverse(name, args=args)


def test_every_address_has_a_row_here():
    here = OPEN | READ.keys() | {"queue"} | OF_ONE.keys() | WRITTEN
    screens = [pattern for pattern in get_resolver().url_patterns if isinstance(pattern, URLPattern)]
    assert {pattern.name for pattern in screens} == here  # programs' addresses are in tests/api/test_walk.py


@pytest.mark.parametrize("role", Role)
def test_who_gets_in(role: Role, ours: Company, theirs: Company):
    client = ours.client(role)
    addresses = [(reverse(name), roles) for name, roles in READ.items()]
    addresses += [(reverse("queue", args=[team]), roles) for team, roles in QUEUES.items()]
    addresses += [(address_of(name, ours), roles) for name, roles in OF_ONE.items()]
    for address, roles in addresses:
        response = client.get(address)
        refused = 404 if address in [address_of(name, ours) for name in HIDDEN] else 403
        assert response.status_code == (200 if role in roles else refused), (address, role)
        assert "default-src 'self'" in policy(response) and "unsafe" not in policy(response), address
        if not response.streaming:
            page = Page(response)
            assert page.inline == [], address
            assert page.heading, address
            assert len(page.ids) == len(set(page.ids)), address
            assert "Brackenfold 2" not in response.content.decode(), address
    for name in (name for name in OF_ONE if name not in NOBODYS):
        response = client.get(address_of(name, theirs))
        allowed = (404,) if role in OF_ONE[name] else (403, 404)
        assert response.status_code in allowed, (name, role)


def test_the_navigation_says_where_one_is(ours: Company):
    client = ours.client(FINANCE)
    for name, place in (("case", "Finance"), ("account", "GL mapping"), ("rule", "GL mapping"), ("batch", "Exports")):
        body = client.get(address_of(name, ours)).content.decode()
        side = body[body.index('class="side"') : body.index('class="top"')]
        assert re.findall(r'aria-current="page">([\w ]+?) *<', side) == [place], name


@pytest.mark.parametrize("role", [role for role in Role if role != FINANCE])
def test_only_finance_maps_and_works_finance_cases(role: Role, ours: Company):
    case, client = ours.fee_case, ours.client(role)
    for address in (
        reverse("act", args=[case.pk, "map-fee"]),
        reverse("case_move", args=[case.pk, "claim"]),
        reverse("case_move", args=[case.pk, "snooze"]),
    ):
        data = {"until": "2099-01-01T09:00", "reason": "later"}
        assert client.post(address, data).status_code == (403 if role in MONEY else 404), address
        assert client.get(address).status_code == 405
    case.refresh_from_db()
    assert case.state == "open"


@pytest.mark.parametrize("role", [ECOMMERCE, OPS, VIEWER])
def test_who_may_not_upload_or_apply_a_chart_cannot_by_post(role: Role, ours: Company):
    for name in ("upload", "charts"):
        response = ours.client(role).post(reverse(name), {"chart": "us", "entity": ours.entity.pk})
        assert response.status_code == 403
        assert "can." in response.content.decode()


def test_anothers_company_cannot_be_written_to(ours: Company, theirs: Company):
    client = ours.client(FINANCE)
    for address in (
        reverse("act", args=[theirs.fee_case.pk, "map-fee"]),
        reverse("case_move", args=[theirs.fee_case.pk, "claim"]),
        reverse("withdraw", args=[Journal.objects.filter(entity=theirs.entity).first().pk]),
        reverse("void", args=[theirs.batch.pk]),
    ):
        assert client.post(address, {}).status_code == 404
    for name in ("approve", "export"):
        journals = list(Journal.objects.filter(entity__in=[ours.entity, theirs.entity]).values_list("pk", flat=True))
        assert client.post(reverse(name), {"journal": journals}).status_code == 404
    charts = client.post(reverse("charts"), {"chart": "us", "entity": theirs.entity.pk})
    assert charts.status_code == 422
    upload = client.post(reverse("upload"), {"connection": theirs.connection.pk, "kind": "settlements.read-file"})
    assert upload.status_code == 422


def test_strangers_sign_in_first(ours: Company):
    for name in (*READ, *OF_ONE):
        address = address_of(name, ours) if name in OF_ONE else reverse(name)
        response = Client().get(address)
        assert response.status_code == 302 and response["Location"].startswith(reverse("login")), name


def test_an_expired_session_sends_htmx_to_the_sign_in(ours: Company):
    page = f"http://testserver{reverse('queue', args=['finance'])}?view=mine"
    response = Client().get(reverse("queue", args=["finance"]), headers={"HX-Request": "true", "HX-Current-URL": page})
    assert response["HX-Redirect"] == "/login/?next=/queue/finance/%3Fview%3Dmine"


def test_a_refusal_inside_a_page_is_a_note(ours: Company):
    response = ours.client(VIEWER).post(
        reverse("act", args=[ours.fee_case.pk, "map-fee"]), {"preview": "1"}, headers={"HX-Request": "true"}
    )
    assert response.status_code == 403
    assert response["HX-Retarget"] == "#notices"
    assert "Finance 1 can" in response.content.decode()


def policy(response) -> str:
    return response.headers.get("Content-Security-Policy", "")
