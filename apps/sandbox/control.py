"""/control/: the switch for everything that a test or a demo wants to happen, and the log."""

import json
from typing import Any

from apps.sandbox.amazon import Amazon
from apps.sandbox.catalogue import MARKETS, NEW
from apps.sandbox.clock import written
from apps.sandbox.faults import MODES
from apps.sandbox.people import MARKS
from apps.sandbox.wire import Answer, Request, as_json
from apps.sandbox.world import ACCOUNT


def controlled(amazon: Amazon, request: Request) -> Answer:
    """Answers 400 in words where the switch is not understood."""
    try:
        asked = json.loads(request.body or b"{}")
        return as_json(_done(amazon, f"{request.method} {request.path}", asked))
    except (ValueError, KeyError, TypeError) as error:
        return as_json({"error": f"{type(error).__name__}: {error}"}, 400)


def _done(amazon: Amazon, what: str, asked: dict[str, Any]) -> Any:
    match what:
        case "POST /control/fault":
            if asked["mode"] not in MODES:
                raise ValueError(f"mode is one of {', '.join(MODES)}")
            amazon.faults.add(asked["operation"], asked["mode"], asked.get("times"), asked.get("after", 0))
        case "POST /control/clear":
            amazon.faults.clear()
        case "POST /control/advance":
            amazon.clock.advance(asked["seconds"])
        case "POST /control/limits":
            amazon.limits.reset(on=bool(asked["on"]))
        case "POST /control/expire":
            amazon.tokens.expire()
        case "POST /control/reset":
            amazon.reset()
        case "GET /control/log":
            return list(amazon.log)
        case "GET /control/world":
            return _world(amazon)
        case _:
            raise ValueError(f"{what} is no switch")
    return {"now": written(amazon.clock.now())}


def _world(amazon: Amazon) -> dict[str, Any]:
    """What a test needs to know to ask for it: which order is which special one, what is new, what marks a buyer's data."""
    world = amazon.world
    return {
        "account": ACCOUNT,
        "marketplaces": [market.id for market in MARKETS],
        "start": written(world.start),
        "now": written(amazon.clock.now()),
        "orders": sum(order.created < world.start for order in world.orders),
        "special": {name: order.id for name, order in world.special.items()},
        "new_skus": list(NEW),
        "buyer_marks": list(MARKS),
    }
