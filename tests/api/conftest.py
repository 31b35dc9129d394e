"""Programs that speak as the people of two companies."""

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
import redis
from django.conf import settings
from django.test import Client
from django.utils import timezone

from apps.core import tokens
from apps.core.models import User
from tests.console.conftest import ours as ours
from tests.console.conftest import theirs as theirs

PREFIX = "/api/v1"


@dataclass
class Program:
    """Asks with a token, by real requests through the whole of Django; each write with a key of its own."""

    user: User
    token: str = ""
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))
    keys: Any = field(default_factory=count)

    def __post_init__(self) -> None:
        _, self.token = tokens.issue(user=self.user, name="test", expires_at=timezone.now() + timedelta(days=1))

    def get(self, path: str, **query: Any):
        address = path if path.startswith("http") else f"{PREFIX}/{path}"
        return self.client.get(address, query or None, headers={"Authorization": f"Bearer {self.token}"})

    def post(self, path: str, body: Any = None, *, key: str = "", **said: Any):
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key or f"key-{next(self.keys)}"}
        said.setdefault("content_type", "application/json")
        return self.client.post(f"{PREFIX}/{path}", {} if body is None else body, headers=headers, **said)


@pytest.fixture(autouse=True)
def fresh_counts():
    """Nobody has asked anything in this minute."""
    redis.Redis.from_url(settings.REDIS_URL).flushdb()
