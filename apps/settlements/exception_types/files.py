"""What stops a whole file: it cannot be read, does not tie, came with other rows, or has a column that nobody knows."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import groupby

from apps.core.models import AuditEntry, User
from apps.core.money import ZERO, plain, words
from apps.core.permissions import MAP_FEES, TAKE_FILES, Team
from apps.exceptions.forms import NoForm, ReasonForm
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import Action, ExceptionType, Finding, Plan, Runbook, Scope, digest, register
from apps.integrations.jobs import enqueue
from apps.integrations.models import Connection
from apps.settlements.exception_types.choose_version import CHOOSE_VERSION
from apps.settlements.models import READ_FILE, AcceptedColumn, FileReading, SettlementVersion

State = SettlementVersion.State


def column_subject(connection: Connection, name: str) -> str:
    return f"{connection.name} | {name}"


def _reading(case: Case) -> FileReading:
    return FileReading.objects.select_related("file").get(
        file__sha256=case.facts["sha256"], file__connection=case.facts["connection_id"]
    )


def _preview_again(case: Case, actor: User, cleaned: dict) -> Plan:
    reading = _reading(case)
    return Plan(
        effect="Process the file again",
        says=f"Reads {reading.file.name} from its raw copy, as it came. Nothing is downloaded. The verdict replaces this one.",
        digest=digest(reading.pk, reading.read_at.isoformat()),
    )


def _run_again(case: Case, actor: User, cleaned: dict) -> str:
    file = _reading(case).file
    enqueue(kind=READ_FILE, entity=case.entity, file=file, args={"again": True}, actor=actor)
    return f"{file.name} is being read again."


PROCESS_AGAIN = Action(
    name="process-again",
    label="Process again",
    permission=TAKE_FILES,
    form=NoForm,
    preview=_preview_again,
    run=_run_again,
)


def _file_facts(version: SettlementVersion) -> dict:
    currency = version.settlement.currency
    return {
        "settlement_id": version.settlement.settlement_id,
        "version": version.number,
        "file": version.file.name,
        "sha256": version.file.sha256,
        "connection_id": version.file.connection_id,
        "connection": version.file.connection.name,
        "lines": version.lines,
        "sum": plain(version.sum, currency),
        "total": plain(version.total, currency),
        "difference": plain(version.difference, currency),
        "period": [version.settlement.start_at.isoformat(), version.settlement.end_at.isoformat()],
    }


def _blocked(version: SettlementVersion) -> dict[str, str]:
    """The payout that is in no journal as long as this version is not taken."""
    return {version.settlement.currency: plain(max(version.total, ZERO), version.settlement.currency)}


def _versions(scope: Scope, state: str):
    versions = SettlementVersion.objects.filter(settlement__entity=scope.entity, state=state)
    if scope.subjects is not None:
        versions = versions.filter(settlement__settlement_id__in=scope.subjects)
    return versions.select_related("settlement", "file__connection").order_by("settlement", "-number")


def versions_that_do_not_tie(scope: Scope) -> Iterator[Finding]:
    for version in _versions(scope, State.HELD):
        yield Finding(
            subject=version.settlement.settlement_id,
            currency=version.settlement.currency,
            stake=abs(version.difference),
            lines=version.lines,
            facts=_file_facts(version) | {"blocked": _blocked(version)},
        )


def versions_with_other_rows(scope: Scope) -> Iterator[Finding]:
    """One finding a settlement, about its newest version that waits for a choice."""
    waiting = _versions(scope, State.CHANGED).prefetch_related("settlement__versions__file")
    for settlement, versions in groupby(waiting, key=lambda version: version.settlement):
        newest = next(versions)
        kept = next(
            (version for version in settlement.versions.all() if version.state in (State.TAKEN, State.HELD)), None
        )
        facts = _file_facts(newest)
        if kept:
            facts["kept"] = {
                "version": kept.number,
                "file": kept.file.name,
                "lines": kept.lines,
                "sum": plain(kept.sum, settlement.currency),
            }
        if not kept or kept.state != State.TAKEN:
            facts["blocked"] = _blocked(newest)
        yield Finding(
            subject=settlement.settlement_id,
            currency=settlement.currency,
            stake=abs(newest.sum - kept.sum) if kept else abs(newest.sum),
            lines=newest.lines,
            facts=facts,
        )


def refused_files(scope: Scope) -> Iterator[Finding]:
    readings = FileReading.objects.filter(
        file__connection__entity=scope.entity, status=FileReading.Status.REFUSED, replaced_by=None
    ).select_related("file__connection")
    if scope.subjects is not None:
        readings = readings.filter(file__sha256__in=scope.subjects)
    seen = set()
    for reading in readings.order_by("-read_at"):
        if reading.file.sha256 in seen:
            continue
        seen.add(reading.file.sha256)
        yield Finding(
            subject=reading.file.sha256,
            currency=scope.entity.base_currency,
            facts={
                "reading_id": reading.pk,
                "file": reading.file.name,
                "sha256": reading.file.sha256,
                "size": reading.file.size,
                "connection_id": reading.file.connection_id,
                "connection": reading.file.connection.name,
                "reason": reading.reason,
                "line": reading.line,
                "words": reading.words,
            },
        )


def unknown_columns(scope: Scope) -> Iterator[Finding]:
    accepted = set(AcceptedColumn.objects.filter(connection__entity=scope.entity).values_list("connection_id", "name"))
    versions = (
        SettlementVersion.objects.filter(settlement__entity=scope.entity)
        .exclude(extra_columns=[])
        .select_related("settlement", "file__connection")
        .order_by("pk")
    )
    found: dict[str, dict] = {}
    for version in versions:
        connection = version.file.connection
        for name in version.extra_columns:
            subject = column_subject(connection, name)
            if (connection.pk, name) in accepted or (scope.subjects is not None and subject not in scope.subjects):
                continue
            facts = found.setdefault(
                subject,
                {
                    "column": name,
                    "connection_id": connection.pk,
                    "connection": connection.name,
                    "settlements": [],
                    "lines": 0,
                },
            )
            facts["settlements"].append({"settlement_id": version.settlement.settlement_id, "file": version.file.name})
            facts["lines"] += version.lines
    for subject, facts in found.items():
        yield Finding(subject=subject, currency=scope.entity.base_currency, lines=facts["lines"], facts=facts)


def _preview_accept(case: Case, actor: User, cleaned: dict) -> Plan:
    facts = case.facts
    return Plan(
        effect=f"Accept the column {facts['column']}",
        says=f"Files of {facts['connection']} with it raise nothing more. Its data stays in the raw files; no figure changes.",
        digest=digest(case.subject, len(facts["settlements"])),
    )


def _run_accept(case: Case, actor: User, cleaned: dict) -> str:
    column, connection = case.facts["column"], case.facts["connection_id"]
    AcceptedColumn.objects.create(connection_id=connection, name=column, accepted_by=actor)
    AuditEntry.objects.record(
        actor=actor,
        entity=case.entity,
        verb="column.accepted",
        subject=f"connection:{connection}",
        after={"column": column},
        reason=cleaned["reason"],
    )
    return f"Accepted. Files with {column} raise nothing more."


ACCEPT_COLUMN = Action(
    name="accept-column",
    label="Accept the column",
    permission=MAP_FEES,
    form=ReasonForm,
    preview=_preview_accept,
    run=_run_accept,
    clears=("settlement.column-unknown",),
)


def _gap(case: Case) -> str:
    return words(abs(Decimal(case.facts["difference"])), case.currency)


DOES_NOT_TIE = register(ExceptionType(
    code="settlement.does-not-tie",
    title="Settlement does not add up to its payout",
    team=Team.FINANCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=True,
    floor=Decimal(200),
    respond_within=timedelta(days=2),
    detect=versions_that_do_not_tie,
    headline=lambda case: f"Settlement {case.subject} is {_gap(case)} away from its payout",
    panel="cases/not_tied.html",
    actions=(PROCESS_AGAIN,),
    runbook=Runbook(
        impact="The whole payout stays out of the books: a file that does not add up lacks lines or has them twice.",
        steps=(
            "Compare the number of lines with the file in Seller Central. A download that broke off ends early.",
            "Download the flat file V2 again, and do not open it in a spreadsheet before the upload.",
            "Upload the corrected file. Where it adds up, it takes the place of this one by itself.",
        ),
        prevention="Upload files as they come. A spreadsheet that saves a settlement file changes its amounts and numbers.",
        escalate="To Amazon's seller support, with the settlement number, when a fresh download has the same difference.",
    ),
))  # fmt: skip

CHANGED = register(ExceptionType(
    code="settlement.changed",
    title="Settlement came again with other rows",
    team=Team.FINANCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=True,
    floor=Decimal(100),
    respond_within=timedelta(days=2),
    detect=versions_with_other_rows,
    headline=lambda case: f"Settlement {case.subject} came again with other rows",
    panel="cases/changed.html",
    actions=(CHOOSE_VERSION, PROCESS_AGAIN),
    runbook=Runbook(
        impact="The first version keeps its journals, and the new rows are in no journal.",
        steps=(
            "Read which lines differ and what they come to.",
            "Ask who uploaded the second file and why: a settlement that Amazon has closed does not change.",
            "Download the settlement afresh and upload it. Where it equals one of the two, that one is right.",
            "Choose that one. The journals follow; what was exported stays and gets a journal of the difference.",
        ),
        prevention="One person uploads settlements, or the connection fetches them.",
        escalate="To Amazon's seller support when two fresh downloads of one settlement differ.",
    ),
))  # fmt: skip

LAYOUT_UNKNOWN = register(ExceptionType(
    code="file.layout-unknown",
    title="File could not be read",
    team=Team.FINANCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=False,
    floor=Decimal(25),
    respond_within=timedelta(days=3),
    detect=refused_files,
    headline=lambda case: f"{case.facts['file']} could not be read",
    panel="cases/refused.html",
    actions=(PROCESS_AGAIN,),
    runbook=Runbook(
        impact="Nothing of the file is in the books. Only its raw copy is kept.",
        steps=(
            "Read what is wrong and in which line.",
            "Download the settlement report as flat file V2 from Seller Central, Payments, Reports repository.",
            "Upload the corrected file here: this case ends when it is taken.",
        ),
        prevention="Upload the file exactly as Amazon sends it.",
        escalate="To us, with the raw copy, when a file straight from Amazon is refused.",
    ),
))  # fmt: skip

COLUMN_UNKNOWN = register(ExceptionType(
    code="settlement.column-unknown",
    title="Settlement has a column nobody knows",
    team=Team.FINANCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=False,
    floor=Decimal(10),
    respond_within=timedelta(days=7),
    detect=unknown_columns,
    headline=lambda case: f"Amazon added a column: {case.facts['column']}",
    panel="cases/column.html",
    actions=(ACCEPT_COLUMN,),
    runbook=Runbook(
        impact="Nothing is held: every amount is taken. The column's data is kept in the raw file and read by nobody.",
        steps=(
            "Open a raw line and look at what the column holds.",
            "If it carries no money, accept it for this connection.",
            "If it carries money, say so to us before the month closes: the layout must learn it.",
        ),
        prevention="None needed: Amazon adds columns unannounced, and each is raised on the first file that has it.",
        escalate="To us when the column holds amounts.",
    ),
))  # fmt: skip
