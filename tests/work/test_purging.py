"""What only grows goes by age; what a live case or a page still needs stays, and so does the audit trail."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from apps.api.models import AnsweredWrite
from apps.core import keeping
from apps.core.models import AuditEntry, SignIn
from apps.exceptions.models import Case
from apps.integrations.models import Job, JobState
from apps.work.alerts.deciding import decide
from apps.work.alerts.models import Alert, AlertCase
from apps.work.bulk.models import Bulk, BulkMember
from tests.factories import StoredFileFactory
from tests.work.conftest import HOUR, NOON

pytestmark = pytest.mark.django_db


def ago(days: int):
    return timezone.now() - timedelta(days=days)


def test_alerts_go_90_days_after_they_left_but_for_those_of_live_cases(channel, opened):
    cases = [opened(n * 2 * HOUR, type=("alert.fee", "alert.tax")[n % 2]) for n in range(3)]
    for hours in (0.1, 2.1, 4.1):
        decide(channel.pk, NOON + hours * HOUR)
    Alert.objects.update(state="sent", ended_at=ago(91))
    Job.objects.update(state=JobState.DONE, ended_at=ago(91))
    Case.objects.filter(pk__in=[case.pk for case in cases[1:]]).update(state="cleared", ended_at=NOON)
    Alert.objects.filter(members__case=cases[2]).update(ended_at=ago(89))
    said = AuditEntry.objects.count()
    for _ in range(2):  # a job goes the day after what it was for
        keeping.purge()
    kept = {AlertCase.objects.filter(alert=alert).first().case for alert in Alert.objects.all()}
    assert kept == {cases[0], cases[2]}
    assert set(Job.objects.values_list("pk", flat=True)) == set(Alert.objects.values_list("job_id", flat=True))
    assert AuditEntry.objects.count() == said > 0
    left = Alert.objects.count()
    Case.objects.update(due_at=NOON + 80 * HOUR)  # so that it is looked at anew
    decide(channel.pk, NOON + 4.2 * HOUR)
    assert Alert.objects.count() == left  # and not told anew


def test_bulk_actions_go_with_their_members_and_one_tried_again_after_what_tried_it_again(opened, marta):
    def bulk(days: int, **values) -> Bulk:
        made = Bulk.objects.create(
            made_by=marta, made_at=ago(days), action="claim", chosen="Ticked", queues=[],
            **{"state": "done", "confirmed_at": ago(days), "ended_at": ago(days)} | values,
        )  # fmt: skip
        BulkMember.objects.create(bulk=made, case=opened())
        return made

    first = bulk(95)
    bulk(92, retry_of=first)
    tried = bulk(95)
    again = bulk(10, retry_of=tried)
    unconfirmed = {"state": "ready", "digest": "d", "confirmed_at": None, "ended_at": None}
    bulk(91, **unconfirmed)
    waits = bulk(89, **unconfirmed)
    keeping.purge()
    assert set(Bulk.objects.all()) == {tried, again, waits}
    assert BulkMember.objects.count() == 3


def test_jobs_go_but_for_those_that_failed_or_say_that_a_file_was_read(entity):
    old = {"entity": entity, "ended_at": ago(91)}
    stays = [
        Job.objects.create(kind="imports.check", state=JobState.FAILED, **old),
        Job.objects.create(kind="settlements.read", state=JobState.DONE, file=StoredFileFactory(), **old),
        Job.objects.create(kind="imports.check", state=JobState.DONE, **old | {"ended_at": ago(89)}),
    ]
    for state in (JobState.DONE, JobState.STOPPED):
        Job.objects.create(kind="imports.check", state=state, **old)
    keeping.purge()
    assert set(Job.objects.all()) == set(stays)


def test_one_purge_that_fails_is_reported_and_the_others_go_on(monkeypatch, marta, caplog):
    SignIn.objects.create(user=marta, session_key="x", began_at=ago(99), seen_at=ago(99), ended_at=ago(91))
    written = AnsweredWrite.objects.create(user=marta, key="k", asked="a", status=200, body={})
    AnsweredWrite.objects.filter(pk=written.pk).update(answered_at=ago(8))
    monkeypatch.setattr(keeping, "PURGES", {"broken rows": lambda: 1 / 0, **keeping.PURGES})
    keeping.purge()
    assert not SignIn.objects.exists() and not AnsweredWrite.objects.exists()
    assert [record.getMessage() for record in caplog.records] == ["Old broken rows could not be deleted"]


def test_what_the_one_purge_does_is_taken_off_the_clock():
    day = IntervalSchedule.objects.create(every=86_400, period=IntervalSchedule.SECONDS)
    for name in ("purge-runs", "forget-sign-ins", "purge", "tell-all"):
        PeriodicTask.objects.create(name=name, task=name, interval=day)
    with connection.cursor() as cursor:
        cursor.execute(import_module("apps.core.migrations.0012_one_purge").TAKE_OFF)
    assert set(PeriodicTask.objects.values_list("name", flat=True)) == {"purge", "tell-all"}


def test_each_app_is_in_the_one_purge():
    assert set(keeping.PURGES) == {
        "sign-ins", "runs", "jobs", "buyers", "alerts", "bulk actions", "answers to writes", "records of platforms",
    }  # fmt: skip
