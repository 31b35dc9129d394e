"""The whole of the stand-in without its sockets: a request in, an answer out, and a line in the log."""

import uuid
from collections import deque
from datetime import datetime
from typing import Any

from apps.sandbox.clock import Clock, written
from apps.sandbox.faults import Faults, failed, spoiled
from apps.sandbox.inventory import Inventory
from apps.sandbox.limits import Limits
from apps.sandbox.listings import Listings
from apps.sandbox.lwa import Tokens
from apps.sandbox.operations import NONE, Operation, operation_at
from apps.sandbox.orders import Orders
from apps.sandbox.reports import Reports
from apps.sandbox.sellers import participations
from apps.sandbox.wire import Answer, Refused, Request, as_json, segment
from apps.sandbox.world import World

KEPT_LINES = 20_000


class Amazon:
    """`limits`: whether the usage plans hold at the start."""

    def __init__(self, world: World, clock: Clock, limits: bool):
        self.world, self.clock = world, clock
        self.faults, self.limits, self.tokens = Faults(), Limits(on=limits), Tokens()
        self.log: deque[dict[str, Any]] = deque(maxlen=KEPT_LINES)
        self.reports = Reports(world)
        orders, listings = Orders(world), Listings(world)
        self.runs = {
            "token": self._token,
            "searchOrders": orders.search,
            "getOrder": orders.get,
            "getInventorySummaries": Inventory(world).summaries,
            "searchListingsItems": listings.search,
            "getReports": self.reports.search,
            "getReport": self.reports.get,
            "getReportDocument": self.reports.document,
            "document": self.reports.download,
            "getMarketplaceParticipations": participations,
        }

    def answer(self, request: Request) -> Answer:
        operation, parts = operation_at(request.method, request.path)
        mode = self.faults.take(operation.name)
        try:
            answer = failed(mode, operation.name)
            if answer is None:
                answer = self._right(operation, request, [segment(part) for part in parts])
                if mode and answer.status == 200:
                    answer = spoiled(mode, answer, operation.key)
        except Refused as refused:
            answer = as_json(refused.body, refused.status)
        answer.headers["x-amzn-RequestId"] = str(uuid.uuid4())
        if operation.rate and answer.status in (200, 400, 404):
            answer.headers["x-amzn-RateLimit-Limit"] = str(self.limits.rate_of(operation))
        self._note(operation, request, answer, mode)
        return answer

    def _right(self, operation: Operation, request: Request, parts: list[str]) -> Answer:
        if operation is NONE:
            raise Refused(404, "NotFound", "The requested resource does not exist.")
        if not operation.open:
            seller = self.tokens.behind(request.headers.get("x-amz-access-token", ""))
            self.limits.take(seller, operation, self.clock.elapsed())
        return self.runs[operation.name](request, self.clock.now(), *parts)

    def _token(self, request: Request, now: datetime) -> Answer:
        return self.tokens.give(request)

    def _note(self, operation: Operation, request: Request, answer: Answer, mode: str) -> None:
        """What was asked and answered. No body and no header: they hold tokens and buyers."""
        self.log.append(
            {
                "at": written(self.clock.now()),
                "operation": operation.name,
                "method": request.method,
                "path": request.path,
                "params": {}
                if operation.name == "document"
                else dict(request.query),  # its query is the key to the file
                "status": answer.status,
                "request_id": answer.headers["x-amzn-RequestId"],
                "mode": mode,
            }
        )

    def reset(self) -> None:
        """As it was at the start, with the limits off."""
        self.faults.clear()
        self.limits.reset(on=False)
        self.clock.reset()
        self.tokens = Tokens()
        self.log.clear()
