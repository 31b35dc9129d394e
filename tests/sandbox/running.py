"""The fixture `sandbox`: Amazon's stand-in in a process of its own, as it was at its start before each test."""

import json
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from apps.sandbox.lwa import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN

ROOT = Path(__file__).parents[2]
ORDERS = 150


@dataclass
class Running:
    """`url` is the SP-API's endpoint and, with /auth/o2/token, Login with Amazon's. The clock stands still: `advance` moves it.

    The usage plans are off until `limits(True)`.
    """

    url: str
    refresh_token: str = field(default_factory=lambda: f"{REFRESH_TOKEN}-{uuid.uuid4()}")
    client_id: str = CLIENT_ID
    client_secret: str = CLIENT_SECRET

    def control(self, path: str, data: dict[str, Any] | None = None) -> Any:
        """GET without data, POST with it."""
        body = None if data is None else json.dumps(data).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/control/{path}", data=body)) as answer:
            return json.load(answer)

    @property
    def credentials(self) -> dict[str, str]:
        return {"refresh_token": self.refresh_token, "client_id": self.client_id, "client_secret": self.client_secret}

    def fault(self, operation: str, mode: str, times: int | None = None, after: int = 0) -> None:
        """`operation`: an operation of the models, "token", "document" or "*". `times` None: until `clear`. `after` so many
        good calls."""
        self.control("fault", {"operation": operation, "mode": mode, "times": times, "after": after})

    def clear(self) -> None:
        self.control("clear", {})

    def advance(self, seconds: float) -> None:
        self.control("advance", {"seconds": seconds})

    def limits(self, on: bool) -> None:
        self.control("limits", {"on": on})

    def expire_tokens(self) -> None:
        """Every access token that was given has run out."""
        self.control("expire", {})

    def log(self, operation: str = "") -> list[dict[str, Any]]:
        """What was asked and answered since the reset, the oldest first."""
        return [line for line in self.control("log") if operation in ("", line["operation"])]

    def world(self) -> dict[str, Any]:
        """Account, marketplaces, which order is which special one, the SKUs nobody has mapped, what marks a buyer's data."""
        return self.control("world")

    @property
    def account(self) -> str:
        return self.world()["account"]

    @property
    def marketplaces(self) -> list[str]:
        return self.world()["marketplaces"]

    def reset(self) -> None:
        self.control("reset", {})


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """One process for the whole test run."""
    arguments = ["--port", "0", "--orders", str(ORDERS), "--still", "--no-limits", "--die-with-parent"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "apps.sandbox", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    yield process.stdout.readline().split()[-1]
    process.terminate()
    process.wait(timeout=10)
    process.stdout.close()


@pytest.fixture
def sandbox(sandbox_url: str) -> Running:
    """Reset, with credentials that no other test has: the library caches access tokens by the refresh token."""
    running = Running(url=sandbox_url)
    running.reset()
    return running
