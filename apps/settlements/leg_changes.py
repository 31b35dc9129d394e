"""Order legs change what is built of settlements: shown first where something was approved or has left, then loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import TextIOWrapper

from django.db import transaction
from django.db.models.functions import Now

from apps.core.errors import Refused
from apps.core.models import AuditEntry, User
from apps.core.permissions import MAP_FEES, TAKE_FILES, check_may
from apps.exceptions.sweep import sweep_each
from apps.exceptions.types import Plan, Scope, digest
from apps.integrations.files import open_raw
from apps.integrations.models import Connection, StoredFile
from apps.settlements import causes, journals, legs
from apps.settlements.comparison import Comparison
from apps.settlements.facts import read
from apps.settlements.models import FileReading
from apps.settlements.plans import compare
from apps.settlements.resolutions import lock_mapping, settle

LEGS = "legs"
"""The reason of a held reading: the file names order legs that would change what was approved or has left."""


@dataclass(frozen=True, kw_only=True)
class LegsLoaded:
    """How many orders the file named, how many are new or changed, and how many settlements were rolled up again."""

    orders: int
    changed: int
    settlements: int

    @property
    def words(self) -> str:
        if not self.changed:
            return f"{_count(self.orders, 'order')}, all known with these countries. Nothing was changed."
        were = "was" if self.settlements == 1 else "were"
        return (
            f"{_count(self.orders, 'order')}, {self.changed:,} of them new or changed. "
            f"{_count(self.settlements, 'settlement')} {were} rolled up again."
        )


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """What loading would do. `settled`: it would take back an approval, or correct what has left."""

    changed: int
    settlements: int
    comparison: Comparison
    settled: bool
    digest: str


def legs_in(file: StoredFile) -> list[legs.Leg]:
    """Refused with words for each line that is wrong."""
    with open_raw(file) as raw, TextIOWrapper(raw, encoding="utf-8-sig") as text:
        try:
            return legs.read(text, file.name)
        except UnicodeDecodeError as fault:
            raise Refused(f"{file.name} is not UTF-8 text: byte {fault.start:,} is no letter.", field="file") from fault


def foresee(place: Connection, rows: Sequence[legs.Leg]) -> Foreseen:
    """Recompute the journals of the settlements with these orders as the legs would split them. Saves nothing."""
    entity = place.entity
    settle(entity.pk)
    changed = legs.changed(place, rows)
    versions = list(journals.buildable(entity).filter(pk__in=legs.versions_with(place, changed)))
    facts = read(entity, versions)
    before = journals.compute(facts)
    after = journals.compute(read(entity, versions, rollups=legs.as_if(rows)))
    comparison = compare(facts, before, after)
    unapproved = any(facts.standing[key].approved for key in comparison.dropped if key in facts.standing)
    return Foreseen(
        changed=len(changed),
        settlements=len(versions),
        comparison=comparison,
        settled=bool(comparison.corrections or comparison.returned or unapproved),
        digest=digest(place.pk, rows, changed, facts.books, facts.locked, facts.standing, before, after),
    )


@transaction.atomic
def load_order_legs(*, connection: Connection, rows: Sequence[legs.Leg], actor: User | None) -> LegsLoaded:
    """Keep where orders were shipped from and to, roll the settlements concerned up again, rebuild their drafts, sweep.

    `actor` None is a program run on the server itself.
    """
    entity = connection.entity
    if actor is not None:
        check_may(actor, TAKE_FILES, entity)
    lock_mapping(entity.pk)
    changed = legs.upsert(connection, rows)
    versions = legs.versions_with(connection, changed)
    loaded = LegsLoaded(orders=len(rows), changed=len(changed), settlements=len(versions))
    if changed:
        AuditEntry.objects.record(
            actor=actor,
            entity=entity,
            verb="legs.loaded",
            subject=f"connection:{connection.pk}",
            after={"orders": loaded.orders, "changed": loaded.changed, "settlements": loaded.settlements},
        )
    if versions:
        legs.reroll(versions)
        journals.rebuild(versions, because=f"Where {len(changed):,} orders were shipped from and to became known.")
        sweep_each({code: Scope(entity=entity) for code in causes.JOURNALS})
    return loaded


@transaction.atomic
def take_or_hold(*, file: StoredFile, rows: Sequence[legs.Leg], actor: User | None) -> FileReading:
    """Load the file's legs, or where something was approved or has left, keep them for a person to see first."""
    place = file.connection
    lock_mapping(place.entity_id)
    seen = foresee(place, rows)
    if seen.settled:
        words = (
            f"{_count(len(rows), 'order')}, {seen.changed:,} of them new or changed. Loading them would {seen.comparison.effect} "
            "where something was approved or exported already, so a person looks at it first. Nothing was changed."
        )
        return _record(file, FileReading.Status.HELD, words)
    loaded = load_order_legs(connection=place, rows=rows, actor=actor)
    return _record(file, FileReading.Status.TAKEN if loaded.changed else FileReading.Status.KNOWN, loaded.words)


def preview_load(reading: FileReading) -> Plan:
    """What loading a held file's legs would do now. Refused where it is held no longer."""
    _check_held(reading)
    seen = foresee(reading.file.connection, legs_in(reading.file))
    return Plan(
        effect=f"Load the legs and {seen.comparison.effect}",
        says=f"{_count(seen.settlements, 'settlement')} rolled up again. What was exported stays.",
        digest=seen.digest,
        detail={"seen": seen},
    )


@transaction.atomic
def load_held(*, reading: FileReading, reason: str, actor: User) -> LegsLoaded:
    """Load what was held: drafts are rebuilt, approvals that no longer hold end, and what has left is corrected."""
    reading = _mine(reading, actor)
    loaded = load_order_legs(connection=reading.file.connection, rows=legs_in(reading.file), actor=actor)
    _record(reading.file, FileReading.Status.TAKEN, loaded.words)
    _note("legs.accepted", reading, reason, actor)
    return loaded


@transaction.atomic
def put_away(*, reading: FileReading, reason: str, actor: User) -> None:
    """Leave the settlements as they are. The file stays stored; uploaded again, it is looked at again."""
    reading = _mine(reading, actor)
    words = f"{actor.name} put it away: {reason}"
    _record(reading.file, FileReading.Status.PUT_AWAY, words)
    _note("legs.put-away", reading, reason, actor)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _mine(reading: FileReading, actor: User) -> FileReading:
    entity = reading.entity
    check_may(actor, MAP_FEES, entity)
    lock_mapping(entity.pk)
    reading = FileReading.objects.select_related("file__connection__entity").get(pk=reading.pk)
    _check_held(reading)
    return reading


def _check_held(reading: FileReading) -> None:
    if (reading.status, reading.reason) != (FileReading.Status.HELD, LEGS):
        raise Refused(f"{reading.file.name} does not wait any more: {reading.words}", code="not-held")


def _record(file: StoredFile, status: str, words: str) -> FileReading:
    said = {"status": status, "reason": LEGS, "words": words, "line": None, "version": None, "replaced_by": None}
    reading, _ = FileReading.objects.update_or_create(file=file, defaults=said | {"read_at": Now()})
    # Perhaps it was refused as a settlement before.
    sweep_each({"file.layout-unknown": Scope(entity=reading.entity, subjects=frozenset({file.sha256}))})
    return reading


def _note(verb: str, reading: FileReading, reason: str, actor: User) -> None:
    AuditEntry.objects.record(
        actor=actor,
        entity=reading.entity,
        verb=verb,
        subject=f"file:{reading.file_id}",
        after={"file": reading.file.name, "sha256": reading.file.sha256},
        reason=reason,
    )
