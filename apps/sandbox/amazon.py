"""The whole of the stand-in without its sockets: a request in, an answer out, and a line in the log."""

import re
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.sandbox.clock import Clock, written
from apps.sandbox.faults import Faults, failed, spoiled
from apps.sandbox.inventory import Inventory
from apps.sandbox.limits import Limits
from apps.sandbox.lwa import Tokens
from apps.sandbox.orders import Orders
from apps.sandbox.wire import Answer, Refused, Request, as_json, segment
from apps.sandbox.world import World

KEPT_LINES = 20_000


@dataclass(frozen=True)
class Operation:
    """`key`: what a 2xx must bring. Rate per second and burst are the published plan's; none: not limited."""

    name: str
    method: str
    path: str
    run: Callable[..., Answer]
    key: str
    rate: float = 0.0
    burst: int = 0
    open: bool = False  # needs no access token

    def matches(self, method: str, path: str) -> re.Match | None:
        return re.fullmatch(self.path, path) if method == self.method else None


class Amazon:
    def __init__(self, world: World, clock: Clock, limits: bool):
        self.world, self.clock = world, clock
        self.faults, self.limits, self.tokens = Faults(), Limits(on=limits), Tokens()
        self.log: deque[dict[str, Any]] = deque(maxlen=KEPT_LINES)
        orders, inventory = Orders(world), Inventory(world)
        self.operations = (
            Operation("token", "POST", "/auth/o2/token", self._token, "access_token", open=True),
            Operation("searchOrders", "GET", "/orders/2026-01-01/orders", orders.search, "orders", 0.0056, 20),
            Operation("getOrder", "GET", "/orders/2026-01-01/orders/([^/]+)", orders.get, "order", 0.5, 30),
            Operation(
                "getInventorySummaries", "GET", "/fba/inventory/v1/summaries", inventory.summaries, "payload", 2, 2
            ),
        )

    def answer(self, request: Request) -> Answer:
        for operation in self.operations:
            if match := operation.matches(request.method, request.path):
                break
        else:
            operation, match = None, None
        request_id = str(uuid.uuid4())
        name = operation.name if operation else "unknown"
        mode = self.faults.take(name)
        try:
            answer = failed(mode, name)
            if answer is None and operation is None:
                raise Refused(404, "NotFound", "The requested resource does not exist.")
            if answer is None:
                answer = self._right(operation, request, [segment(part) for part in match.groups()])
                if mode:
                    answer = spoiled(mode, answer, operation.key)
        except Refused as refused:
            answer = as_json(refused.body, refused.status)
        answer.headers["x-amzn-RequestId"] = request_id
        if operation and operation.rate and answer.status in (200, 400, 404):
            answer.headers["x-amzn-RateLimit-Limit"] = str(operation.rate)
        self._note(name, request, answer, request_id, mode)
        return answer

    def _right(self, operation: Operation, request: Request, parts: list[str]) -> Answer:
        now = self.clock.now()
        if not operation.open:
            seller = self.tokens.behind(request.headers.get("x-amz-access-token", ""))
            if operation.rate:
                self.limits.take(seller, operation.name, operation.rate, operation.burst, now)
        return operation.run(request, now, *parts)

    def _token(self, request: Request, now: object) -> Answer:
        return self.tokens.give(request)

    def _note(self, name: str, request: Request, answer: Answer, request_id: str, mode: str) -> None:
        """What was asked and answered. No body and no header: they hold tokens and buyers."""
        self.log.append(
            {
                "at": written(self.clock.now()),
                "took_place": time.time(),
                "operation": name,
                "method": request.method,
                "path": request.path,
                "params": dict(request.query),
                "status": answer.status,
                "request_id": request_id,
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
