"""What a company adds to the runbook of a kind of exception, and how that kind went so far. The catalogue has the rest."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Aggregate, Count, DurationField, ExpressionWrapper, F, Q, Sum

from apps.core.errors import NotAllowed, Refused
from apps.core.locks import wait_for
from apps.core.models import AuditEntry, Entity, User
from apps.exceptions.models import Case, State, Tally
from apps.exceptions.types import ExceptionType
from apps.work.models import RunbookAddition

MEASURED = timedelta(days=90)
LONGEST = 4000


def may_write(person: User, kind: ExceptionType, entity_id: int) -> bool:
    """The people of the team that owns the kind."""
    return person.works_for(kind.team, entity_id)


@transaction.atomic
def write(*, kind: ExceptionType, entity: Entity, text: str, after: int, actor: User) -> RunbookAddition:
    """The company's text as a new version; an empty one takes it out. `after` is the version that the writer read, 0 for none."""
    if not may_write(actor, kind, entity.pk):
        raise NotAllowed(f"The people of {kind.team.label} at {entity.name} write this. Nothing was changed.")
    wait_for(f"runbook of {kind.code} in {entity.pk}")
    now = RunbookAddition.objects.filter(entity=entity, type=kind.code).select_related("written_by").first()
    if now and now.version != after:
        raise Refused(
            f"{now.written_by.name} changed it meanwhile: read that version first.", field="text", code="changed"
        )
    text = "\n".join(line.rstrip() for line in text.strip().splitlines())
    if len(text) > LONGEST:
        raise Refused(f"At most {LONGEST:,} characters.", field="text")
    if text == (now.text if now else ""):
        raise Refused("Nothing is different.", field="text", code="same")
    added = RunbookAddition.objects.create(
        entity=entity, type=kind.code, version=after + 1, text=text, written_by=actor
    )
    AuditEntry.objects.record(
        actor=actor,
        entity=entity,
        verb="runbook.written" if text else "runbook.taken-out",
        subject=f"runbook:{kind.code}",
        before={"text": now.text} if now else {},
        after={"text": text, "version": added.version},
    )
    return added


def addition(kind: ExceptionType, entity: Entity) -> RunbookAddition | None:
    """What stands there now."""
    found = RunbookAddition.objects.filter(entity=entity, type=kind.code).select_related("written_by").first()
    return found if found and found.text else None


def open_now(person: User, entity_ids: Collection[int]) -> dict[str, int]:
    """{type: live cases} in the queues that the person reads."""
    seen = Q(pk__in=[])
    for entity, teams in person.teams_seen_in().items():
        seen |= Q(entity=entity, team__in=teams)
    tallies = Tally.objects.filter(seen, entity__in=entity_ids)
    return dict(tallies.order_by().values_list("type").annotate(Sum("cases")))


class Median(Aggregate):
    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"


@dataclass(frozen=True, kw_only=True)
class Record:
    """How cases of a kind ended: `median` from opening to end, `by_itself` of them without a person."""

    ended: int
    by_itself: int
    median: timedelta | None

    @property
    def percent(self) -> int:
        return round(100 * self.by_itself / self.ended)


def record_of(kind: ExceptionType, person: User, entity_ids: Collection[int], now: datetime) -> Record:
    """Of the last 90 days, among the cases that the person reads. Dismissed ones were not fixed, so they do not count."""
    fixed = Case.objects.visible_to(person).filter(
        type=kind.code,
        entity__in=entity_ids,
        state__in=[State.RESOLVED, State.CLEARED],
        ended_at__gte=now - MEASURED,
    )
    took = ExpressionWrapper(F("ended_at") - F("opened_at"), DurationField())
    return Record(
        **fixed.aggregate(
            ended=Count("pk"),
            by_itself=Count("pk", filter=Q(state=State.CLEARED)),
            median=Median(took, output_field=DurationField()),
        )
    )
