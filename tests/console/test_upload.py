"""A file comes in through the browser: stored at once, read by a worker, and the page says what was found."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from apps.core.permissions import Role
from apps.integrations.jobs import run_here
from apps.integrations.models import Connection, Job, JobState, StoredFile
from apps.settlements.models import FileReading
from tests.console.conftest import Company, signed_in
from tests.console.pages import Page
from tests.factories import ConnectionFactory, EntityFactory, person
from tests.settlements.files import File

pytestmark = pytest.mark.django_db(transaction=True)
UPLOAD = "/settlements/upload/"
SETTLEMENT = {"kind": "settlements.read-file"}


def sent(file: File | bytes, name: str = "october.txt") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, file if isinstance(file, bytes) else file.bytes())


def test_the_first_upload_names_its_connection_and_is_watched_until_it_ended():
    entity = EntityFactory()
    client = signed_in(person(Role.FINANCE, entity))
    asked = client.post(UPLOAD, SETTLEMENT | {"file": sent(File())})
    assert asked.status_code == 422 and not StoredFile.objects.exists()
    response = client.post(UPLOAD, SETTLEMENT | {"file": sent(File()), "name": "amazon.co.uk"})
    job = Job.objects.get()
    assert response["Location"] == reverse("job", args=[job.pk])
    assert Connection.objects.get().name == "amazon.co.uk"
    waits = client.get(response["Location"]).content.decode()
    assert "october.txt waits for a worker" in waits
    assert 'hx-trigger="every 1s"' in waits and '<noscript><meta http-equiv="refresh"' in waits
    run_here(job)
    part = client.get(response["Location"], headers={"HX-Request": "true"})
    words = part.content.decode()
    assert "hx-trigger" not in words and "<title" not in words
    assert Page(part).heading == "october.txt: taken"
    assert "3 lines add up to £105.00, to the cent." in words
    assert Page(part).linked("Open settlement 30000000001") == "/settlements/30000000001/"


def test_a_refused_file_is_named_with_its_reason_and_replaced_by_the_corrected_one(ours: Company):
    client = ours.client(Role.FINANCE)
    page = client.get("/settlements/")
    assert "not-v2.txt" in page.content.decode()
    to_mend = Page(page).linked("Upload the corrected file")
    assert "Upload the file that corrects not-v2.txt" in Page(client.get(to_mend)).heading
    mended = File(settlement_id="50000000001")
    client.post(to_mend, SETTLEMENT | {"file": sent(mended), "connection": ours.connection.pk})
    job = Job.objects.order_by("-pk").first()
    assert job.args == {"replaces": FileReading.objects.get(file__name="not-v2.txt").pk}
    assert run_here(job).state == JobState.DONE
    assert "not-v2.txt" not in client.get("/settlements/").content.decode()


def test_a_file_of_order_legs_goes_the_same_way(ours: Company):
    legs = sent(b"order-id,ship-from,ship-to\n202-0000001-0000001,GB,DE\n", "legs.csv")
    client = ours.client(Role.ADMIN)
    client.post(UPLOAD, {"kind": "settlements.read-legs", "file": legs, "connection": ours.connection.pk})
    job = Job.objects.order_by("-pk").first()
    run_here(job)
    assert "1 order, 1 of them new or changed" in client.get(reverse("job", args=[job.pk])).content.decode()


def test_operations_see_the_work_but_not_its_money(ours: Company):
    job = Job.objects.get(entity=ours.entity, file__name="settlement.txt")
    words = ours.client(Role.OPS).get(reverse("job", args=[job.pk])).content.decode()
    assert "£" not in words
    assert "settlement.txt: done" in words


def test_a_name_is_asked_for_where_no_connection_is_chosen(ours: Company):
    client = ours.client(Role.FINANCE)
    nameless = client.post(UPLOAD, SETTLEMENT | {"file": sent(File())})
    assert nameless.status_code == 422 and "Choose a connection, or name a new one" in nameless.content.decode()
    ConnectionFactory(entity=ours.entity, name="amazon.de")
    form = client.get(UPLOAD).content.decode()
    assert "Name of a new connection</label>" in form, "it is not called optional"
    assert client.post(UPLOAD, SETTLEMENT | {"file": sent(File()), "connection": ours.connection.pk}).status_code == 302


def test_several_companies_ask_whose_connection_it_is(ours: Company):
    marta = ours.people[Role.FINANCE]
    other = EntityFactory(name="Brackenfold GmbH")
    marta.memberships.create(entity=other, role=Role.FINANCE)
    client = ours.client(Role.FINANCE)
    assert "Brackenfold GmbH" in client.get(UPLOAD).content.decode()
    client.post(UPLOAD, SETTLEMENT | {"file": sent(File()), "name": "amazon.de", "entity": other.pk})
    assert Connection.objects.get(name="amazon.de").entity == other


def test_a_failed_job_says_why(ours: Company):
    job = Job.objects.filter(entity=ours.entity).first()
    Job.objects.filter(pk=job.pk).update(state=JobState.FAILED, error="The disk is full.", result={})
    words = ours.client(Role.OPS).get(reverse("job", args=[job.pk])).content.decode()
    assert "The disk is full." in words and "hx-trigger" not in words
    again = reverse("job_move", args=[job.pk, "run-again"])
    assert ours.client(Role.FINANCE).post(again).status_code == 403
    assert again not in ours.client(Role.FINANCE).get(reverse("job", args=[job.pk])).content.decode()
    assert again in words
    today = ours.client(Role.OPS).get("/").content.decode()
    assert "1 to look at" in today and "The disk is full." in today
    assert "A worker starts it again." in ours.client(Role.OPS).post(again, follow=True).content.decode()
    assert ours.client(Role.OPS).post(again).status_code == 422  # it waits already
    stopped = ours.client(Role.OPS).post(reverse("job_move", args=[job.pk, "stop"]), follow=True)
    assert Page(stopped).heading == "settlement.txt: stopped"
