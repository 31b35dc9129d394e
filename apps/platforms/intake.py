"""What a platform reports, a batch at a time: all of it or nothing, and once however often it is sent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.errors import Refused
from apps.core.locks import wait_for
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.integrations.models import Connection
from apps.platforms import rules
from apps.platforms.models import LONGEST_ABOUT, LONGEST_CODE, LONGEST_WORDS, FailedRecord, Platform, Retry

CODE = "event.dead-letter"
MOST = 500  # records of one call
MOST_CAUSES = 100  # open ones of a platform, each a case of its own
READ_WORDS = 1000  # characters of an error's text that are looked at
CLOCKS_DIFFER = timedelta(minutes=10)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
TOLD = ("flow", "about", "code", "link", "amount", "currency")
KEPT = (*TOLD, "words", "cause", "state", "failures", "failed_at", "ended_at")

State = FailedRecord.State


@dataclass(frozen=True, kw_only=True)
class Report:
    """One record as the platform tells it, failed or succeeded `at` an instant. Of a success the flow is read, and no more."""

    id: str
    status: Literal["failed", "succeeded"]
    at: datetime
    flow: str = ""
    about: str = ""
    code: str = ""
    text: str = ""
    link: str = ""
    amount: Decimal | None = None
    currency: str = ""


def take(*, platform: Platform, reports: Iterable[Report]) -> list[str]:
    """What each report did, in their order: "new", "failed-again", "succeeded", "unchanged", "older" (than what is known) or
    "unknown" (a success of what never failed here). Their cases follow at the commit. Raises Refused with nothing done.
    """
    reports, place = list(reports), platform.connection
    _check(reports)
    with transaction.atomic():
        wait_for(f"platform {place.pk}")  # one batch at a time, so that no record is made twice
        Platform.objects.filter(pk=platform.pk).update(posted_at=Now())
        found = FailedRecord.objects.filter(connection=place, external_id__in=[report.id for report in reports])
        known = _known(list(found.select_for_update().order_by("pk")), reports)
        waits = Retry.objects.filter(record__in=[row for row in known if row], state=Retry.State.WAITING)
        waiting = set(waits.values_list("record", flat=True))
        outcomes = [_outcome(row, report) for row, report in zip(known, reports, strict=True)]
        told = list(zip(known, reports, outcomes, strict=True))
        made = [_failed(FailedRecord(connection=place), report) for _, report, outcome in told if outcome == "new"]
        changed = [(row, report) for row, report, outcome in told if row and outcome in ("failed-again", "succeeded")]
        before = {row.cause for row, _ in changed}
        for row, report in changed:
            if report.status == "failed":
                _failed(row, report, waits=row.pk in waiting)
            else:
                row.state, row.ended_at = State.SUCCEEDED, report.at
        _gather(place, made + [row for row, report in changed if report.status == "failed"])
        FailedRecord.objects.bulk_create(made)
        FailedRecord.objects.bulk_update([row for row, _ in changed], KEPT)
        sweep_on_commit(place, before | {row.cause for row in made} | {row.cause for row, _ in changed})
    return outcomes


def sweep_on_commit(place: Connection, causes: Iterable[str]) -> None:
    """Open, refresh or end the cases of these causes. A sweep that fails loses nothing: the regular one does it."""
    if causes:
        scope = Scope(entity=place.entity, subjects=frozenset(causes))
        transaction.on_commit(lambda: sweep(CODE, scope), robust=True)


def _known(rows: list[FailedRecord], reports: list[Report]) -> list[FailedRecord | None]:
    """The record of each report. A success need not name its flow where one alone is meant."""
    by_flow = {(row.external_id, row.flow): row for row in rows}
    by_id: dict[str, list[FailedRecord]] = {}
    for row in sorted(rows, key=lambda row: row.state in FailedRecord.OPEN, reverse=True):
        by_id.setdefault(row.external_id, []).append(row)
    found = []
    for place, report in enumerate(reports):
        of_id = by_id.get(report.id, [])
        if report.flow or not of_id:
            found.append(by_flow.get((report.id, report.flow)))
            continue
        if sum(row.state in FailedRecord.OPEN for row in of_id) > 1:
            raise Refused("This id failed in several flows. Say which one succeeded.", field=f"records.{place}.flow")
        found.append(of_id[0])
    return found


def _outcome(row: FailedRecord | None, report: Report) -> str:
    if row is None:
        return "new" if report.status == "failed" else "unknown"
    if report.status == "succeeded":
        if row.state == State.SUCCEEDED and report.at <= row.ended_at:
            return "unchanged"
        return "succeeded" if report.at >= row.failed_at else "older"
    if report.at > (row.ended_at or row.failed_at):
        return "failed-again"
    return "unchanged" if report.at == row.failed_at else "older"


def _failed(row: FailedRecord, report: Report, *, waits: bool = False) -> FailedRecord:
    """The record as it failed now. `waits`: it was about to be asked for anyway, and still is."""
    text = report.text[:READ_WORDS]
    for name in TOLD:
        setattr(row, name, getattr(report, name))
    row.about, row.code = rules.without_people(report.about)[:LONGEST_ABOUT], rules.without_people(report.code)[:LONGEST_CODE]
    row.external_id = report.id
    row.words = rules.without_people(text)[:LONGEST_WORDS]
    row.cause = rules.cause(row.connection_id, report.flow, rules.fingerprint(row.code, text))
    row.failures += row.pk is not None
    row.first_failed_at = row.first_failed_at or report.at
    row.failed_at, row.ended_at = report.at, None
    row.state = State.ASKED if waits else State.FAILED
    return row


def _gather(place: Connection, rows: list[FailedRecord]) -> None:
    """An error whose words differ for each record would be a case for each: what is more than MOST_CAUSES is one for its flow."""
    found = FailedRecord.objects.filter(connection=place, state__in=FailedRecord.OPEN)
    causes = set(found.values_list("cause", flat=True).distinct())
    for row in rows:
        if row.cause not in causes and len(causes) >= MOST_CAUSES:
            row.cause = rules.cause(place.pk, row.flow)
        causes.add(row.cause)


def _check(reports: list[Report]) -> None:
    if len(reports) > MOST:
        raise Refused(f"Send at most {MOST} records a call.", field="records")
    latest = timezone.now() + CLOCKS_DIFFER
    places: dict[str, dict[str, int]] = {}
    for place, report in enumerate(reports):
        others = places.setdefault(report.id, {})
        if others and (report.flow in others or "" in others or not report.flow):
            words = f"Record {min(others.values())} of this call has the same id and flow. Send the newest of each alone."
            raise Refused(words, field=f"records.{place}.id")
        for name in ("id", "link"):
            if rules.names_a_person(getattr(report, name)):
                words = "An e-mail address stands in it, and nobody’s address is kept here. Send an id of another kind."
                raise Refused(words, field=f"records.{place}.{name}")
        if not EARLIEST < report.at <= latest:
            words = "This is not yet, or long ago. Expected when it happened, with its zone."
            raise Refused(words, field=f"records.{place}.at")
        others[report.flow] = place
