"""An integration platform on screen: connecting one, its key shown once, a request to copy that works, who sees what."""

import json
import re
import shlex
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.integrations.credentials import open_sealed
from apps.platforms import operations
from apps.platforms.models import FailedRecord, Platform
from tests.console.conftest import signed_in
from tests.console.pages import Page
from tests.factories import EntityFactory, person
from tests.platforms.conftest import failed, report

pytestmark = pytest.mark.django_db(transaction=True)

HOOK = "https://hooks.platform.example/t/s3cr3t-7f"


@pytest.fixture
def entity():
    return EntityFactory(name="Brightfold Ltd")


@pytest.fixture
def ian(entity):
    return person(Role.ADMIN, entity, name="Ian Grove")


@pytest.fixture
def platform(entity, ian) -> Platform:
    return operations.connect(entity=entity, name="Patchwork", address=HOOK, token="t0ken", actor=ian)[0]


def text_of(response) -> str:
    """The page as people read it."""
    text = re.sub(r"<[^>]+>", "", response.content.decode())
    for entity, char in (("&quot;", '"'), ("&#x27;", "'"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(entity, char)
    return text


def test_an_admin_connects_one_and_the_request_on_its_page_works(entity, ian):
    client = signed_in(ian)
    page = client.post("/connections/platform/", {"entity": entity.pk, "name": "Patchwork"})
    assert page.status_code == 200 and page["Cache-Control"] == "no-store"
    shown = text_of(page)
    (key,) = re.findall(r"export KEY=(ocp_\S+)", shown)
    command = shlex.split(re.search(r"^curl.*?\}\]\}'", shown, re.DOTALL | re.MULTILINE)[0].replace("$KEY", key))
    headers = dict(command[place + 1].split(": ", 1) for place, part in enumerate(command) if part == "-H")
    assert command[1] == "http://testserver/api/v1/intake/"
    answer = Client().post(
        "/api/v1/intake/", json.loads(command[-1]), headers.pop("Content-Type"), headers=headers
    )
    assert answer.json() == {"open": 1, "records": [{"id": "run-8841-1", "outcome": "new"}]}
    again = client.get(f"/connections/{Platform.objects.get().connection_id}/")
    assert key not in again.content.decode() and "ocp_…" in again.content.decode()
    assert Page(again).heading == "Patchwork has 1 record that failed"


def test_where_retries_go_is_sealed_and_previewed(platform, ian):
    client, address = signed_in(ian), f"/connections/{platform.connection_id}/"
    shown = client.get(address).content.decode()
    assert "hooks.platform.example …t-7f" in shown and HOOK not in shown and "t0ken" not in shown
    data = {"address": f"{HOOK}-new", "token": "other", "reason": "Moved"}
    preview = client.post(address, data | {"preview": "1"})
    assert "Send retries there" in preview.content.decode()
    assert open_sealed(platform.connection)["address"] == HOOK
    digest = re.search(r'name="digest" value="(\w+)"', preview.content.decode())[1]
    done = client.post(address, data | {"digest": digest})
    assert "Retries go to hooks.platform.example …-new now." in text_of(done)
    assert open_sealed(platform.connection) == {"address": f"{HOOK}-new", "token": "other"}
    told = str(list(AuditEntry.objects.values()))
    assert "other" not in told and "s3cr3t" not in told
    faulty = client.post(address, {"address": "ftp://x", "reason": "y", "digest": digest})
    assert faulty.status_code == 422 and "begins with https://" in faulty.content.decode()


def test_a_new_key_is_shown_once_and_only_to_who_may(platform, entity, ian):
    address = f"/connections/{platform.connection_id}/"
    for role in (Role.OPS, Role.VIEWER):
        client = signed_in(person(role, entity))
        page = client.get(address)
        assert page.status_code == 200 and "Ian Grove can" in page.content.decode()
        assert "Make a new key" not in page.content.decode()
        assert client.post(address, {"key": "new"}).status_code == 403
        assert client.post("/connections/platform/", {"entity": entity.pk, "name": "x"}).status_code == 403
    before = platform.digest
    page = signed_in(ian).post(address, {"key": "new"})
    assert "Shown this once" in page.content.decode()
    platform.refresh_from_db()
    assert platform.digest != before
    stranger = signed_in(person(Role.ADMIN, EntityFactory()))
    assert stranger.get(address).status_code == stranger.post(address, {"key": "new"}).status_code == 404


def test_the_case_shows_its_records_and_says_what_is_silent(platform, entity):
    report(platform, failed(1), failed(2))
    tom = signed_in(person(Role.OPS, entity))
    case = Case.objects.live().get()
    shown = text_of(tom.get(f"/cases/{case.pk}/"))
    for words in ("order 203-0000001", "r-2", "£20.00", "Retry 2 records in Patchwork", "hooks.platform.example …t-7f"):
        assert words in shown
    FailedRecord.objects.update(state="asked", asked_at=timezone.now() - timedelta(hours=5))
    report(platform, failed(3))
    shown = text_of(tom.get(f"/cases/{case.pk}/"))
    assert "Patchwork says nothing of 2 records of orders → ERP that it was asked to retry" in shown
    assert "2 asked for, and not a word since." in shown


def test_a_platform_is_no_place_for_files(platform, ian):
    assert "Patchwork" not in signed_in(ian).get("/settlements/upload/").content.decode()
