from collections.abc import Iterator

import httpx
import pytest

from tests.sandbox.asking import Asker


@pytest.fixture
def ask(sandbox) -> Iterator[Asker]:
    with httpx.Client(base_url=sandbox.url, timeout=10) as client:
        yield Asker(sandbox, client)
