"""record.unreadable: a record of a page that could not be read. The others of its page went through."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F

from apps.core.models import User
from apps.core.permissions import RUN_JOBS, Team
from apps.exceptions.forms import NoForm
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import Action, ExceptionType, Finding, Plan, Runbook, Scope, digest, register
from apps.integrations import endings, runs
from apps.integrations.exception_types.acting import fetch_again
from apps.integrations.exception_types.feeds import source_of
from apps.integrations.feeds import title_of
from apps.integrations.models import UnreadableRecord
from apps.integrations.words import instant

PERSONAL = re.compile(
    r"buyer|recipient|customer|consignee|address|street|city|county|district|municipality|postal|postcode|zip|phone|fax"
    r"|mail|name|company|gift|message|note|tax|payment|customi[sz]",
    re.IGNORECASE,
)
MASKED = "(masked)"
TEXT_SHOWN = 6000


def unreadable_records(scope: Scope) -> Iterator[Finding]:
    found = UnreadableRecord.objects.filter(source__connection__entity=scope.entity, read_at=None)
    if scope.subjects is not None:
        found = found.filter(pk__in=[int(subject) for subject in scope.subjects])
    for record in found.select_related("source__connection").order_by("pk").iterator():
        yield Finding(subject=str(record.pk), currency=scope.entity.base_currency, lines=1, facts=_facts(record))


def _facts(record: UnreadableRecord) -> dict[str, Any]:
    """Nothing that each pull moves: the same record come again changes no case."""
    return {
        "key": record.key,
        "words": record.words,
        "source": record.source_id,
        "title": title_of(record.source),
        "connection": record.source.connection.name,
        "connection_id": record.source.connection_id,
        "first": instant(record.first_seen_at),
        "raw": json.dumps(masked(record.raw), indent=2, ensure_ascii=False)[:TEXT_SHOWN],
    }


def masked(raw: Any, known: bool = False) -> Any:
    """The record with all that may be about a person masked: whatever stands below a field that sounds like one, and text
    that stands in no field at all.
    """
    match raw:
        case dict():
            return {
                name: MASKED if PERSONAL.search(name) and value not in (None, "", [], {}) else masked(value, known=True)
                for name, value in raw.items()
            }
        case list():
            return [masked(value, known) for value in raw]
        case str() if not known:
            return MASKED
    return raw


def recommend(case: Case) -> tuple[str, str]:
    if UnreadableRecord.objects.filter(pk=int(case.subject), last_seen_at__gt=F("first_seen_at")).exists():
        return "process-again", (
            "It came more than once and was the same each time, so fetching it again brings the same. Once its reader or what "
            "it needs is mended, read the stored record again."
        )
    return "fetch-again", (
        "It came once. A record that was caught while it was being written is often whole the next time, and the stored one "
        "can still be read after that."
    )


def _preview_process(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
    record = _record(case)
    return Plan(
        effect="Process it again",
        says="The record as we keep it is read once more, as if it had just come. If it still cannot be read, the words say "
        "why, and nothing is changed. What is not kept of it, such as a buyer's address, comes when it is fetched next.",
        digest=digest(record.pk, record.last_seen_at, record.read_at),
    )


def _process(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    runs.process_again(_record(case))
    return f"{case.facts['key']} is read."


def _record(case: Case) -> UnreadableRecord:
    return UnreadableRecord.objects.select_related("source__connection__entity").get(pk=int(case.subject))


PROCESS_AGAIN = Action(
    name="process-again",
    label="Process again",
    permission=RUN_JOBS,
    form=NoForm,
    preview=_preview_process,
    run=_process,
    clears=(endings.UNREADABLE,),
)

UNREADABLE = register(
    ExceptionType(
        code=endings.UNREADABLE,
        title="A record cannot be read",
        counts="record",
        team=Team.OPS,
        diagnosis=Diagnosis.STRUCTURAL,
        holds_back=True,
        floor=Decimal(50),
        respond_within=timedelta(days=1),
        detect=unreadable_records,
        headline=lambda case: f"{case.facts['key']} of {case.facts['title']} cannot be read: {case.facts['words']}",
        panel="cases/record.html",
        actions=(fetch_again(source_of), PROCESS_AGAIN),
        recommends=recommend,
        runbook=Runbook(
            impact="This one record is not taken. It is kept as it came, and the others of its page went through.",
            steps=(
                "Read which field is wrong, and what was expected there.",
                "Look the record up at the source. If it is wrong there, have it mended there, and fetch again.",
                "If it is right there, our reader is wrong: whoever keeps this program mends it, then process it again.",
            ),
            prevention="None: what a source sends is its own.",
            escalate="Ask an admin when the record looks right at the source and is refused here.",
        ),
    )
)
