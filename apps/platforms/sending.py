"""Asking a platform to try records again, as a job: each retry leaves once at the most, and what was answered is kept.

What is certain not to have been taken (no connection, 429, 503) waits and leaves later under the same key. What may have been
taken (no answer, 500) does not leave again: the platform's next report says what became of the record.
"""

from datetime import timedelta
from typing import Any

import httpcore
from django.db import transaction
from django.db.models import Count, QuerySet
from django.db.models.functions import Now

from apps.core.errors import Refused
from apps.integrations import jobs
from apps.integrations.credentials import open_sealed
from apps.integrations.leases import Progress
from apps.integrations.models import Job
from apps.platforms import rules
from apps.platforms.intake import sweep_on_commit
from apps.platforms.models import FailedRecord, Platform, Retry
from apps.platforms.operations import SEND, write_off
from apps.platforms.rules import Meaning
from apps.work.alerts import webhooks

State = Retry.State
WORDS = Retry._meta.get_field("words").max_length


def run(job: Job, progress: Progress) -> dict[str, Any]:
    platform = Platform.objects.select_related("connection__entity").get(pk=job.args["platform"])
    _write_off(job)
    todo = list(_waiting(job=job).order_by("pk").values_list("pk", flat=True))
    for done, pk in enumerate(todo):
        progress.say(f"Asking {platform.connection}", done=done, total=len(todo))
        retry = _leaving(pk, job)
        if retry is None:
            continue
        meaning, asked = _call(platform, retry)
        _answered(retry, meaning, job)
        if meaning.state == "shut":
            return {"words": _shut(platform, job, meaning.words)}
        if meaning.state == "waiting":  # it is busy, or away: what follows would be told the same
            after = rules.wait(retry.tries, asked)
            if after is None:
                return {"words": _given_up(platform, job, f"{meaning.words} We tried {retry.tries} times.")}
            raise jobs.Later(meaning.words, after)
    return {"words": _told(job)}


jobs.register_kind(jobs.JobKind(name=SEND, queue="outbox", run=run, title="Ask a platform to retry records"))


@transaction.atomic
def _leaving(pk: int, job: Job) -> Retry | None:
    """Committed before the call, so that nobody else makes it. None where the record does not need it any more."""
    record = FailedRecord.objects.select_for_update().get(retries=pk)
    retry = Retry.objects.get(pk=pk)
    if retry.state != State.WAITING:
        return None
    if record.state != FailedRecord.State.ASKED:
        retry.state, retry.words = State.UNSENT, f"The record was {record.get_state_display().lower()} before this left."
    else:
        retry.state, retry.left_at, retry.tries = State.LEAVING, Now(), retry.tries + 1
    retry.save(update_fields=["state", "words", "left_at", "tries"])
    jobs.hold(job)
    retry.record = record
    return retry if retry.state == State.LEAVING else None


def _call(platform: Platform, retry: Retry) -> tuple[Meaning, timedelta | None]:
    """Outside of any transaction. Its words name no secret."""
    host = platform.retries_to.partition(" ")[0]
    try:
        secrets = open_sealed(platform.connection)
        headers = {"authorization": f"Bearer {secrets['token']}"} if "token" in secrets else {}
        answer = webhooks.post(secrets["address"], content_of(retry), retry.key, headers)
    except Refused as refused:
        return Meaning("refused", refused.words), None
    except webhooks.NotPublic:
        return Meaning("refused", f"{host} leads into a private network, which we do not call."), None
    except (httpcore.ConnectError, httpcore.ConnectTimeout):  # their words may hold the address
        return Meaning("waiting", f"{host} could not be reached."), None
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        return Meaning("unknown", f"{host} gave no answer. Whether it took the retry is not known."), None
    meaning = rules.meaning_of(answer.status, rules.without_people(answer.words), host)
    retry.status = answer.status
    return meaning, answer.retry_after


def content_of(retry: Retry) -> dict[str, Any]:
    """What leaves: which record, in the platform's own words, and nothing of what is in it."""
    record = retry.record
    return {"id": record.external_id, "flow": record.flow, "attempt": retry.number, "key": retry.key}


@transaction.atomic
def _answered(retry: Retry, meaning: Meaning, job: Job) -> None:
    """What the platform reported meanwhile stays: only a refusal gives a record back, if that still waits for it."""
    record = FailedRecord.objects.select_for_update().get(pk=retry.record_id)
    state = State.REFUSED if meaning.state == "shut" else State(meaning.state)
    Retry.objects.filter(pk=retry.pk).update(state=state, status=retry.status, words=meaning.words[:WORDS])
    if state == State.REFUSED:
        _give_back([record])
    jobs.hold(job)


@transaction.atomic
def _write_off(job: Job) -> None:
    """What was leaving when a runner before this one died."""
    write_off(Retry.objects.filter(job=job))
    jobs.hold(job)


@transaction.atomic
def _shut(platform: Platform, job: Job, words: str) -> str:
    """Nobody of ours is let in: nothing more is asked, by no job, until an admin mends it."""
    Platform.objects.filter(pk=platform.pk).update(refused_at=Now(), refused_words=words[:WORDS])
    _unsent(_waiting(record__connection=platform.connection), words)
    jobs.hold(job)
    return f"{words} Nothing more was asked."


@transaction.atomic
def _given_up(platform: Platform, job: Job, words: str) -> str:
    _unsent(_waiting(job=job), words)
    jobs.hold(job)
    return f"{words} {_told(job)}"


def _waiting(**which: Any) -> QuerySet[Retry]:
    return Retry.objects.filter(state=State.WAITING, **which)


def _unsent(retries: QuerySet[Retry], words: str) -> None:
    """The records before their retries, as everybody locks them."""
    records = FailedRecord.objects.select_for_update(of=("self",)).filter(pk__in=retries.values("record")).order_by("pk")
    _give_back(list(records.select_related("connection")))
    retries.update(state=State.UNSENT, words=f"Not sent: {words}"[:WORDS])


def _give_back(records: list[FailedRecord]) -> None:
    asked = [record for record in records if record.state == FailedRecord.State.ASKED]
    if asked:
        FailedRecord.objects.filter(pk__in=[record.pk for record in asked]).update(state=FailedRecord.State.FAILED)
        sweep_on_commit(asked[0].connection, {record.cause for record in asked})


def _told(job: Job) -> str:
    counts = Retry.objects.filter(job=job).order_by().values_list("state").annotate(Count("pk"))
    return ", ".join(f"{number:,} {State(state).label.lower()}" for state, number in sorted(counts)) + "."
