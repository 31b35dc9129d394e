"""Settlement reports are found, fetched and unpacked once each, whole, and stay the bytes that Amazon wrote."""

import gzip
import logging
from datetime import UTC, datetime, timedelta

import pytest

from apps.integrations.connectors import connector_of
from apps.integrations.contract import ConnectorError, PermanentError, TransientError

pytestmark = pytest.mark.django_db
LIST, DOCUMENTS = "/reports/2021-06-30/reports", "/reports/2021-06-30/documents"
BYTES = "settlement-id\tamount\r\n1\t10,00 € für Müller\r\n".encode("cp1252")


class Pull:
    """A pull of settlements, with what each page brought while its document lay on the disk."""

    def __init__(self, connection, cursor=None):
        self.documents: dict[str, bytes] = {}
        self.names, self.paths, self.pages = [], [], []
        for page in connector_of(connection).pull("amazon.settlements", cursor or {}):
            self.pages.append(page)
            for document in page.documents:
                self.documents[document.key] = document.path.read_bytes()
                self.names.append(document.name)
                self.paths.append(document.path)

    @property
    def cursor(self):
        return self.pages[-1].cursor


def report(number: str, **changed) -> dict:
    days = timedelta(days=int(number))
    made = (datetime.now(UTC) - days).isoformat()
    return {
        "reportId": number,
        "reportType": "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2",
        "processingStatus": "DONE",
        "createdTime": made,
        "reportDocumentId": f"doc{number}",
    } | changed


def has(scripted, *numbers: str, body: bytes | None = None, packed: bool = True) -> None:
    """The account has these reports, named by their age in days."""
    scripted.says(LIST, {"reports": [report(number) for number in numbers]})
    for number in numbers:
        told = {"reportDocumentId": f"doc{number}", "url": f"{{url}}/file/{number}?X-Amz-Signature=signed"}
        scripted.says(f"{DOCUMENTS}/doc{number}", told | ({"compressionAlgorithm": "GZIP"} if packed else {}))
        scripted.says(f"/file/{number}", (gzip.compress(BYTES) if packed else BYTES) if body is None else body)


def test_every_settlement_comes_once_the_oldest_first(sandbox, seller):
    pulled = Pull(seller)
    reports = sandbox.log("getReports")
    assert len(reports) == 2 and list(reports[1]["params"]) == ["nextToken"]
    assert pulled.documents
    assert pulled.names == [f"settlement_{key}.txt" for key in pulled.documents]
    assert [len(page.documents) for page in pulled.pages] == [1] * len(pulled.documents) + [0]
    assert all(text.startswith(b"settlement-id\t") for text in pulled.documents.values())
    assert sorted(pulled.documents) == list(pulled.documents)  # the sandbox numbers them by their dates
    assert not any(path.exists() for path in pulled.paths)
    assert [bool(page.asked_at) for page in pulled.pages] == [False] * len(pulled.documents) + [True]
    assert len(sandbox.log("getReportDocument")) == len(sandbox.log("document")) == len(pulled.documents)


def test_the_next_pull_looks_back_a_week_and_fetches_nothing_twice(sandbox, seller):
    first = Pull(seller)
    again = Pull(seller, first.cursor)
    assert not again.documents and [page.records for page in again.pages] == [[]]
    since = datetime.fromisoformat(sandbox.log("getReports")[-1]["params"]["createdSince"][0])
    assert timedelta(days=7) <= datetime.now(UTC) - since < timedelta(days=7, minutes=10)


def test_the_first_pull_takes_what_amazon_still_keeps(sandbox, seller):
    Pull(seller)
    since = datetime.fromisoformat(sandbox.log("getReports")[0]["params"]["createdSince"][0])
    assert timedelta(days=89) < datetime.now(UTC) - since < timedelta(days=90)


def test_a_settlement_that_comes_later_comes_with_the_next_pull(scripted, entity):
    connection = scripted.connection(entity)
    has(scripted, "9", "3")
    first = Pull(connection)
    assert list(first.documents) == ["9", "3"]
    assert first.cursor["recent"] == ["3"]  # no later list names the older one
    has(scripted, "3", "2")
    assert list(Pull(connection, first.cursor).documents) == ["2"]


def test_a_pull_that_was_killed_goes_on_with_the_next_document(sandbox, seller):
    whole = list(Pull(seller).documents)
    first = next(iter(connector_of(seller).pull("amazon.settlements", {})))
    assert [first.documents[0].key, *Pull(seller, first.cursor).documents] == whole


@pytest.mark.parametrize("packed", [True, False])
def test_bytes_stay_as_amazon_wrote_them(packed, scripted, entity):
    has(scripted, "1", packed=packed)
    assert Pull(scripted.connection(entity)).documents == {"1": BYTES}


def test_an_address_that_has_ended_is_asked_for_again_once(scripted, entity):
    has(scripted, "1")
    good = scripted.answers["/file/1"][0]
    scripted.answers["/file/1"] = [(403, {}, b"<Error><Code>AccessDenied</Code></Error>"), good]
    assert Pull(scripted.connection(entity)).documents == {"1": BYTES}
    assert len(scripted.asked_for(f"{DOCUMENTS}/doc1")) == 2


@pytest.mark.parametrize(
    ("status", "body", "verdict", "words"),
    [
        (403, b"<Error/>", PermanentError, "Amazon's storage refuses two addresses"),
        (404, b"<Error/>", PermanentError, "did not accept a report document"),
        (503, b"", TransientError, "could not answer a report document"),
        (200, b"no gzip", PermanentError, "report 1 is no whole gzip file"),
        (200, gzip.compress(BYTES, mtime=0)[:-9], PermanentError, "report 1 is no whole gzip file"),
    ],
)
def test_a_document_that_cannot_be_had_is_no_empty_settlement(status, body, verdict, words, scripted, entity):
    has(scripted, "1")
    scripted.says("/file/1", (status, body))
    with pytest.raises(verdict) as raised:
        Pull(scripted.connection(entity))
    told = raised.value.evidence
    assert words in told.words and told.status == status and told.operation == "a report document"


def test_a_document_that_breaks_off_is_fetched_again_later(scripted, entity):
    has(scripted, "1")
    scripted.answers["/file/1"] = [(200, {"content-length": "9999", "connection": "close"}, gzip.compress(BYTES))]
    with pytest.raises(TransientError, match="The line broke"):
        Pull(scripted.connection(entity))


@pytest.mark.parametrize("mode", ["429", "503-html", "502-empty", "garbage-200", "missing-key", "revoked"])
@pytest.mark.parametrize("operation", ["getReports", "getReportDocument"])
def test_each_fault_brings_nothing_and_loses_nothing(operation, mode, sandbox, seller):
    sandbox.fault(operation, mode)
    with pytest.raises(ConnectorError) as raised:
        Pull(seller)
    assert raised.value.evidence.request_id in [line["request_id"] for line in sandbox.log(operation)]
    sandbox.clear()
    assert Pull(seller).documents


def test_one_bad_report_does_not_keep_the_others_away(scripted, entity):
    connection = scripted.connection(entity)
    has(scripted, "3", "2", "1")
    scripted.says("/file/3", b"no gzip")
    scripted.says(LIST, {"reports": [*map(report, "321"), report("4", reportDocumentId=None), 7]})
    brought, cursor = [], {}
    with pytest.raises(PermanentError):
        for page in connector_of(connection).pull("amazon.settlements", {}):
            brought += [document.key for document in page.documents]
            cursor = page.cursor
    assert brought == ["2", "1"]
    has(scripted, "3", "2", "1")
    assert list(Pull(connection, cursor).documents) == ["3"]


def test_signed_addresses_are_in_no_log_and_no_words(scripted, entity, caplog):
    connection = scripted.connection(entity)
    has(scripted, "1")
    with caplog.at_level(logging.DEBUG):
        Pull(connection)
        scripted.says("/file/1", (404, b"<Error>/file/1?X-Amz-Signature=signed</Error>"))
        with pytest.raises(PermanentError) as raised:
            Pull(connection)
    assert "signed" not in f"{caplog.text}{raised.value!r}"
    assert "Atza|" not in caplog.text


def test_documents_are_fetched_without_our_access_token(scripted, entity):
    has(scripted, "1")
    Pull(scripted.connection(entity))
    (headers,) = [headers for path, _, headers in scripted.asked if path == "/file/1"]
    assert "x-amz-access-token" not in {name.lower() for name in headers}
