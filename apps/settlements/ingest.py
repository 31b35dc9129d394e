"""A stored settlement file becomes lines, roll-ups, draft journals and cases, or a verdict that says why not.

One transaction from the first line to the last case: a killed worker leaves nothing half done, and a second run starts afresh.
"""

from collections.abc import Callable
from typing import BinaryIO

from django.db import transaction
from django.db.models.functions import Now

from apps.core.locks import wait_for
from apps.core.models import AuditEntry, User
from apps.core.money import exponent, plain, words
from apps.exceptions.sweep import sweep_each
from apps.exceptions.types import Scope
from apps.integrations.files import open_raw
from apps.integrations.models import StoredFile
from apps.ledger.models import Journal
from apps.settlements import chains, coverage, journals, legs, resolutions, versions
from apps.settlements.layout import Unreadable
from apps.settlements.lines import load
from apps.settlements.models import (
    Arrival,
    FeeSignature,
    FileReading,
    RollUp,
    SettledOrder,
    SettledSku,
    Settlement,
    SettlementLine,
    SettlementVersion,
)
from apps.settlements.report import Report, describe
from apps.settlements.rows import rows_hash
from apps.settlements.waiting import locked_under

Status = FileReading.Status
State = SettlementVersion.State
Say = Callable[[str, int], None]
STATUS_OF = {State.TAKEN: Status.TAKEN, State.HELD: Status.HELD, State.CHANGED: Status.CHANGED}


def ingest(
    *, file: StoredFile, actor: User | None, say: Say, hold: Callable[[], None], again: bool = False,
    replaces: FileReading | None = None,
) -> FileReading:  # fmt: skip
    """Read the file and take, hold or refuse it; returns the reading with its verdict.

    `say(words, bytes read)` reports progress outside the transaction; `hold()` is called last inside it and raises if the
    job's lease is lost. `again` reads a version's lines anew instead of answering "known". `replaces` is the reading of the
    refused file that this one corrects.
    """
    with open_raw(file) as stream:
        try:
            report = describe(stream, exponent)
            say("Comparing with what is here", 0)
            rows = rows_hash(stream, report, file.sha256)
            with transaction.atomic():
                reading = take_in(stream, report, rows, file=file, actor=actor, say=say, again=again)
                _close(reading, replaces, hold)
        except Unreadable as fault:
            with transaction.atomic():
                reading = _record(file, Status.REFUSED, reason=fault.reason, line=fault.line, words=fault.words)
                _close(reading, None, hold)
    return reading


def take_in(
    stream: BinaryIO, report: Report, rows: str, *, file: StoredFile, actor: User | None, say: Say, again: bool = False
) -> FileReading:
    """All of `ingest` but the cases: lines, roll-ups and journals, or `Unreadable`. Inside a transaction of the caller's."""
    entity = file.connection.entity
    wait_for(f"ingest of company {entity.pk}")  # the second file finds the signatures that the first had
    versions.lock_settlement(report.settlement_id)
    settlement = Settlement.objects.filter(settlement_id=report.settlement_id).select_related("connection").first()
    if settlement and settlement.connection_id != file.connection_id:
        raise Unreadable("other-connection", 2, _elsewhere(settlement, file))
    version = settlement.versions.filter(rows_hash=rows).first() if settlement else None
    if version and not (again and version.state in (State.HELD, State.CHANGED)):
        return _record(file, Status.KNOWN, version=version, reason="same-rows", words=_known(version))
    if not settlement:
        head = {name: getattr(report, name) for name in versions.HEAD}
        settlement = Settlement.objects.create(
            entity=entity, connection=file.connection, settlement_id=report.settlement_id, **head
        )
    version = _empty(version) if version else _new_version(settlement, report, rows, file)
    loaded = load(
        stream=stream,
        report=report,
        version=version,
        zone=entity.zone,
        say=lambda read: say("Reading lines", read),
    )
    say("Building journals and cases", file.size)
    version.lines, version.sum = loaded.lines, loaded.sum
    version.state = _decide(settlement, version)
    if version.state == State.TAKEN:
        versions.take(version, report)
    version.save()
    resolutions.lock_mapping(entity.pk)  # legs or rules that come now wait, and then find these lines
    legs.reroll([version.pk])
    if loaded.new_signatures:
        resolutions.resolve(entity, loaded.new_signatures)
    coverage.keep_arrival(version)
    if version.state == State.TAKEN:
        journals.rebuild([version.pk], because=f"{file.name} was read.")
        chains.propose(file.connection)
    AuditEntry.objects.record(
        actor=actor,
        entity=entity,
        verb=f"settlement.{version.state}",
        subject=f"settlement:{settlement.settlement_id}",
        after={"version": version.number, "file": file.name, "sha256": file.sha256, "lines": loaded.lines,
               "sum": plain(loaded.sum, report.currency), "total": plain(version.total, report.currency)},
    )  # fmt: skip
    status = STATUS_OF[version.state]
    reason = {Status.HELD: "does-not-tie", Status.CHANGED: "other-rows"}.get(status, "")
    return _record(file, status, version=version, reason=reason, words=_says(version))


def _decide(settlement: Settlement, version: SettlementVersion) -> str:
    """Taken if it ties and nothing else ties or is booked; else held, or changed where an earlier version is here."""
    others = settlement.versions.exclude(pk=version.pk)
    approved = Journal.objects.filter(of_settlement__version__in=others).exclude(
        state__in=[Journal.State.INCOMPLETE, Journal.State.DRAFT]
    )
    ties = version.sum == version.total
    if ties and not others.filter(state=State.TAKEN).exists() and not approved.exists():
        return State.TAKEN
    return State.CHANGED if others.filter(number__lt=version.number).exists() else State.HELD


def _new_version(settlement: Settlement, report: Report, rows: str, file: StoredFile) -> SettlementVersion:
    return SettlementVersion.objects.create(
        settlement=settlement,
        number=settlement.versions.count() + 1,
        file=file,
        state=State.HELD,
        rows_hash=rows,
        total=report.total,
        sum=0,
        lines=0,
        encoding=report.encoding,
        line_end=report.line_end,
        date_style=report.date_style,
        decimal_style=report.decimal_style,
        extra_columns=list(report.extra_columns),
    )


def _empty(version: SettlementVersion) -> SettlementVersion:
    """Without its lines, to be read anew. Only a version without journals gets here."""
    RollUp.objects.filter(version=version).delete()
    SettlementLine.objects.filter(version=version).delete()
    SettledOrder.objects.filter(version=version).delete()
    SettledSku.objects.filter(version=version).delete()
    Arrival.objects.filter(version=version).delete()
    return version


def _close(reading: FileReading, replaces: FileReading | None, hold: Callable[[], None]) -> None:
    """Sweep what the file may have caused or cured, then make sure that the work is still ours."""
    entity = reading.file.connection.entity
    if replaces and reading.status != Status.REFUSED:
        FileReading.objects.filter(pk=replaces.pk).update(replaced_by=reading)
    everything = Scope(entity=entity)
    hashes = {reading.file.sha256} | ({replaces.file.sha256} if replaces else set())
    scopes = {"file.layout-unknown": Scope(entity=entity, subjects=frozenset(hashes))}
    if version := reading.version:
        settlement = Scope(entity=entity, subjects=frozenset({version.settlement.settlement_id}))
        keys = FeeSignature.objects.filter(rollups__version=version).values_list("key", flat=True)
        scopes |= {
            "settlement.fee-unmapped": Scope(entity=entity, subjects=frozenset(keys)),
            "settlement.does-not-tie": settlement,
            "settlement.changed": settlement,
            "settlement.facilitator-not-zero": settlement,
            "settlement.column-unknown": everything,
            "ledger.tax-code-unmapped": everything,
            **dict.fromkeys(chains.TYPES, everything),
            "erp.period-closed": everything,
            "ledger.account-missing": everything,
        }
    sweep_each(scopes)
    hold()


def _record(
    file: StoredFile, status: str, *, version: SettlementVersion | None = None, reason: str = "", line: int | None = None,
    words: str,
) -> FileReading:  # fmt: skip
    reading, _ = FileReading.objects.update_or_create(
        file=file,
        defaults={
            "status": status,
            "reason": reason,
            "line": line,
            "words": words,
            "version": version,
            "replaced_by": None,
            "read_at": Now(),
        },
    )
    return reading


def _elsewhere(settlement: Settlement, file: StoredFile) -> str:
    """Another company's connection is not named: its people and ours may not know of each other."""
    same_company = settlement.entity_id == file.connection.entity_id
    where = f"connection {settlement.connection.name}" if same_company else "another connection"
    return (
        f"Settlement {settlement.settlement_id} came through {where} before. One settlement belongs to one connection."
    )


def _known(version: SettlementVersion) -> str:
    return f"These {version.lines:,} lines are here already, as version {version.number}. Nothing was changed."


def _says(version: SettlementVersion) -> str:
    currency = version.settlement.currency
    if version.state == State.TAKEN:
        ties = f"{version.lines:,} lines add up to {words(version.total, currency)}, to the cent."
        waits = [f"{month:%B %Y} is locked: its journal waits." for month in locked_under([version])]
        return " ".join([ties, *waits])
    gap = (
        f"The lines add up to {words(version.sum, currency)}, total-amount is {words(version.total, currency)}: "
        f"{words(version.difference, currency)} differ."
    )
    if version.state == State.HELD:
        return gap
    ties = "They tie." if not version.difference else gap
    return f"Another version of this settlement is here with other rows. {ties} The version before it stays."
