"""Reports 2021-06-30: getReports, getReport, getReportDocument, and the addresses where documents lie."""

import gzip
import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from apps.sandbox.catalogue import BY_ID
from apps.sandbox.clock import written
from apps.sandbox.paging import page_size, read_token, token_of
from apps.sandbox.settlement import Settlement, file_of, settlements
from apps.sandbox.wire import Answer, Refused, Request, as_json, invalid
from apps.sandbox.world import World

SETTLEMENT = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"
STATUSES = frozenset(("CANCELLED", "DONE", "FATAL", "IN_PROGRESS", "IN_QUEUE"))
RETAINED = timedelta(days=90)
GOOD_FOR = timedelta(minutes=5)
EXPIRED = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"""


class Reports:
    """`address` of the documents is known when the server listens: the Host header that comes is not to be trusted."""

    address = ""

    def __init__(self, world: World):
        self.made = settlements(world)
        self.by_id = {_report_id(each): each for each in self.made}
        self.by_document = {_document_id(each): each for each in self.made}
        self.by_number = {each.number: each for each in self.made}
        self.zipped = cache(lambda settlement: gzip.compress(file_of(settlement, world), mtime=0))

    def search(self, request: Request, now: datetime) -> Answer:
        first = 0
        if token := request.one("nextToken"):
            if request.beside != {"nextToken"}:
                raise invalid("'nextToken' must be the only parameter.")
            data = read_token("getReports", token)
            first, asked = data["from"], data["size"]
            found = [self.by_number[number] for number in data["found"]]
        else:
            found, asked = list(self._found(request, now)), request.count("pageSize", 100, 10)
        size = page_size(asked, len(found))
        answer: dict[str, Any] = {"reports": [_report(each) for each in found[first : first + size]]}
        if first + size < len(found):
            token = {"found": [each.number for each in found], "from": first + size, "size": asked}
            answer["nextToken"] = token_of("getReports", token)
        return as_json(answer)

    def _found(self, request: Request, now: datetime) -> Iterable[Settlement]:
        """The newest first."""
        types = request.many("reportTypes", most=10)
        if not types:
            raise invalid("Either 'reportTypes' or 'nextToken' is required.")
        statuses = request.many("processingStatuses", STATUSES)
        marketplaces = request.many("marketplaceIds", frozenset(BY_ID), most=10)
        since = request.moment("createdSince") or now - RETAINED
        until = request.moment("createdUntil") or now
        for each in reversed(self.made):
            if (
                max(since, now - RETAINED) <= each.ready <= min(until, now)
                and SETTLEMENT in types
                and (not statuses or "DONE" in statuses)
                and (not marketplaces or each.market.id in marketplaces)
            ):
                yield each

    def get(self, request: Request, now: datetime, report_id: str) -> Answer:
        return as_json(_report(_there(self.by_id.get(report_id), now)))

    def document(self, request: Request, now: datetime, document_id: str) -> Answer:
        settlement = _there(self.by_document.get(document_id), now)
        given = written(now)
        url = f"{self.address}/documents/{settlement.number}?X-Amz-Date={given}&X-Amz-Expires=300"
        if request.one("enableContentEncodingUrlHeader") == "true":
            url += "&response-content-encoding=gzip"
        url += f"&X-Amz-Signature={_signature(settlement.number, given)}"
        return as_json({"reportDocumentId": document_id, "url": url, "compressionAlgorithm": "GZIP"})

    def download(self, request: Request, now: datetime, number: str) -> Answer:
        given, settlement = request.moment("X-Amz-Date"), self.by_number.get(number)
        signed = given and request.one("X-Amz-Signature") == _signature(number, written(given))
        if settlement is None or not signed or now - given > GOOD_FOR:
            return Answer(status=403, body=EXPIRED, content_type="application/xml")
        encoding = request.one("response-content-encoding")
        charset = {"cp1252": "Cp1252", "utf-8": "UTF-8"}[settlement.charset]
        return Answer(
            status=200,
            body=self.zipped(settlement),
            content_type=f"text/plain; charset={charset}",
            headers={"content-encoding": encoding} if encoding else {},
        )


def _there(settlement: Settlement | None, now: datetime) -> Settlement:
    if settlement is None or settlement.ready > now:
        raise Refused(404, "NotFound", "The requested resource was not found.")
    return settlement


def _report(settlement: Settlement) -> dict[str, Any]:
    return {
        "reportId": _report_id(settlement),
        "reportType": SETTLEMENT,
        "marketplaceIds": [settlement.market.id],
        "dataStartTime": written(settlement.begins),
        "dataEndTime": written(settlement.ends),
        "createdTime": written(settlement.ready),
        "processingStatus": "DONE",
        "processingStartTime": written(settlement.ready),
        "processingEndTime": written(settlement.ready),
        "reportDocumentId": _document_id(settlement),
    }


def _report_id(settlement: Settlement) -> str:
    return f"50{settlement.number}"


def _document_id(settlement: Settlement) -> str:
    return f"amzn1.spdoc.1.4.eu.{hashlib.sha256(settlement.number.encode()).hexdigest()[:32]}"


def _signature(number: str, given: str) -> str:
    return hashlib.sha256(f"sandbox {number} {given}".encode()).hexdigest()
