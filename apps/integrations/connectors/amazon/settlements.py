"""amazon.settlements: the settlement reports that Amazon writes by itself. Nobody can order one (amazon-api.md 2.5)."""

import gzip
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from apps.integrations.connectors.amazon import answers
from apps.integrations.connectors.amazon.answers import Answer, Operation
from apps.integrations.connectors.amazon.clients import GET_REPORT_DOCUMENT, GET_REPORTS, Session
from apps.integrations.connectors.amazon.instants import now, read, written
from apps.integrations.connectors.amazon.paging import pages
from apps.integrations.contract import Cursor, Document, Evidence, NotYet, Page, PermanentError
from apps.integrations.models import Connection

REPORT = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"
KEPT = timedelta(days=90) - timedelta(hours=1)  # Amazon keeps reports for 90 days and refuses to look further back
OVERLAP = timedelta(days=7)  # a report is listed by when it was begun, and may be done much later
DOCUMENT = Operation(name="a report document", rate=1, burst=1, holds=())
REFUSED_ADDRESS = (400, 401, 403)  # what the storage says to an address that has ended


def pull(session: Session, connection: Connection, cursor: Cursor) -> Iterator[Page]:
    """One document a page, the oldest first, then a page without one that says up to when all are there.

    Cursor: `since` is when we last asked for the list, `recent` are the reports brought that a list may name again,
    `refused` those that could not be had: they come last, so that they use up no call that another report needs. All
    marketplaces of the account, whatever the connection names: what is paid out has to be booked.
    """
    asked = now()
    floor = max(asked - KEPT, (read(cursor.get("since")) or asked - KEPT) - OVERLAP)
    since = {"since": cursor["since"]} if "since" in cursor else {}
    recent, refused = list(cursor.get("recent", [])), list(cursor.get("refused", []))
    listed, failed = _listed(session, floor)
    wanted = [report for report in listed if report["reportId"] not in recent]
    for report in sorted(wanted, key=lambda report: report["reportId"] in refused):
        key, documents = report["reportId"], []
        with tempfile.TemporaryDirectory(prefix="opsconsole-report-") as folder:
            try:
                documents = [_fetched(session, report, Path(folder))]
            except PermanentError as error:
                failed = failed or error
            except NotYet:
                if failed and key in refused:  # all others are there, and waiting brings what failed no nearer
                    raise failed from None
                raise
            refused = [other for other in refused if other != key] + ([] if documents else [key])
            recent += [key] if documents else []
            yield Page(records=[], documents=documents, cursor={**since, "recent": list(recent), "refused": refused})
    if failed:  # only now: a report that cannot be had does not keep the others away
        raise failed
    again = [report["reportId"] for report in listed if _begun(report) >= asked - OVERLAP]
    yield Page(records=[], cursor={"since": written(asked), "recent": again}, asked_at=asked)


def _listed(session: Session, since: datetime) -> tuple[list[dict[str, Any]], PermanentError | None]:
    """The reports that are done, each once, the oldest first; and what is wrong with one that is none."""
    paged = pages(
        session,
        GET_REPORTS,
        token_name="nextToken",
        token_alone=True,
        reportTypes=REPORT,
        processingStatuses="DONE",
        createdSince=written(since),
        pageSize=100,
    )
    found, failed = {}, None
    for answer, _ in paged:
        for report in answer.body["reports"]:
            if _is_report(report):
                found[report["reportId"]] = report
            else:
                failed = answer.unusable("has a report without its id, document or time")
    return sorted(found.values(), key=_begun), failed


def _is_report(report: Any) -> bool:
    if not isinstance(report, dict) or read(report.get("createdTime")) is None:
        return False
    return all(isinstance(report.get(field), str) and report[field] for field in ("reportId", "reportDocumentId"))


def _begun(report: dict[str, Any]) -> datetime:
    return read(report["createdTime"])


def _fetched(session: Session, report: dict[str, Any], folder: Path) -> Document:
    """The report's bytes as they are, decompressed. Its letters are for whoever reads it."""
    came, path = folder / "came", folder / "document"
    answer, response = _came(session, report["reportDocumentId"], came)
    packed = answer.body.get("compressionAlgorithm")
    if packed not in (None, "GZIP"):
        raise _broken(report, response, "is compressed in a way that we do not know")
    if packed is None:
        came.rename(path)
    else:
        try:
            with gzip.open(came) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise _broken(report, response, "is no whole gzip file") from None
    return Document(key=report["reportId"], name=f"settlement_{report['reportId']}.txt", path=path)


def _came(session: Session, document_id: str, path: Path) -> tuple[Answer, httpx.Response]:
    """What Amazon says of a document, and the answer that brought its bytes to `path`.

    An address lives for five minutes: one that has ended is asked for once more, where there is a call left for that.
    """
    answer = session.ask(GET_REPORT_DOCUMENT, reportDocumentId=document_id)
    response = _download(session, answer, path)
    if response.status_code in REFUSED_ADDRESS:
        try:
            answer = session.ask(GET_REPORT_DOCUMENT, reportDocumentId=document_id)
        except NotYet:  # to wait for it would bring us back here: the next attempt has one call again
            words = "Amazon's storage refuses the address of a report document that Amazon just gave us"
            raise PermanentError(answers.evidence(DOCUMENT.name, response, words, session.secrets)) from None
        response = _download(session, answer, path)
    if response.status_code in REFUSED_ADDRESS:
        words = "Amazon's storage refuses two addresses of a report document that Amazon just gave us"
        raise PermanentError(answers.evidence(DOCUMENT.name, response, words, session.secrets))
    if not response.is_success:
        raise answers.verdict(DOCUMENT, response, session.secrets)
    return answer, response


def _download(session: Session, answer: Answer, path: Path) -> httpx.Response:
    """The answer; the body of a good one at `path`, neither decompressed nor decoded."""
    try:
        with session.http.stream("GET", answer.body["url"], headers={"accept-encoding": "identity"}) as response:
            if not response.is_success:
                response.read()
                return response
            with path.open("wb") as file:
                for chunk in response.iter_raw(1 << 20):
                    file.write(chunk)
    except httpx.InvalidURL:
        raise answer.unusable("names an address that is none") from None
    except httpx.RequestError as error:
        raise answers.no_answer(DOCUMENT.name, error) from None
    return response


def _broken(report: dict[str, Any], response: httpx.Response, words: str) -> PermanentError:
    return PermanentError(
        Evidence(
            operation=DOCUMENT.name,
            words=f"The document of report {report['reportId']} {words}.",
            status=response.status_code,
            request_id=answers.request_id(response),
        )
    )
