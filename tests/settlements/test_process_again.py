"""“Process again” reads the raw copy anew, for each verdict that stops a file."""

import pytest

from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.operations import PlanChanged, perform, plan
from apps.integrations.jobs import run_here
from apps.integrations.models import Job
from apps.settlements.charts import apply_chart
from apps.settlements.exception_types.files import PROCESS_AGAIN
from apps.settlements.models import FileReading, RollUp, SettlementLine
from tests.factories import ConnectionFactory, person
from tests.settlements.files import SALE, File, line
from tests.settlements.take import live_cases, take

pytestmark = pytest.mark.django_db(transaction=True)

STOPPED = {
    "settlement.does-not-tie": [File(total="1.00")],
    "settlement.changed": [File(), File(lines=(*SALE, line("5.00")))],
    "file.layout-unknown": [File(lines=(line("twelve"),), total="1.00")],
}


@pytest.fixture
def place():
    return ConnectionFactory()


@pytest.fixture
def finance(place):
    finance = person(Role.FINANCE, place.entity)
    apply_chart(chart="uk", entity=place.entity, actor=finance)
    return finance


def press(case: Case, actor, digest: str = "") -> Job:
    _, shown = plan(case=case, action=PROCESS_AGAIN, actor=actor, data={})
    perform(case=case, action=PROCESS_AGAIN, actor=actor, data={}, digest=digest or shown.digest)
    return run_here(Job.objects.latest("pk"))


@pytest.mark.parametrize("code", STOPPED)
def test_the_file_is_read_anew_and_the_verdict_replaces_the_old_one(place, finance, code):
    verdicts = [take(place, file) for file in STOPPED[code]]
    case = Case.objects.live().get(type=code)
    before = FileReading.objects.get(file__sha256=case.facts["sha256"])
    lines = SettlementLine.objects.count()
    RollUp.objects.filter(version=before.version).delete()  # as a worse program might have left it

    job = press(case, finance)

    assert (job.result["status"], job.asked_by) == (verdicts[-1]["status"], finance)
    after = FileReading.objects.get(pk=before.pk)
    assert after.read_at > before.read_at
    assert RollUp.objects.filter(version=after.version).exists() == (after.version is not None)
    assert SettlementLine.objects.count() == lines
    assert Case.objects.live().get(type=code).pk == case.pk


def test_a_verdict_that_changed_since_the_preview_is_shown_first(place, finance):
    take(place, File(total="1.00"))
    case = live_cases().get()
    _, shown = plan(case=case, action=PROCESS_AGAIN, actor=finance, data={})
    press(case, finance)
    with pytest.raises(PlanChanged):
        perform(case=case, action=PROCESS_AGAIN, actor=finance, data={}, digest=shown.digest)
