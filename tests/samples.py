"""Files by others, beside the project: read where they lie, never copied. Without them a test skips, saying so."""

import os
from pathlib import Path

import pytest
from django.conf import settings

SAMPLES = Path(settings.BASE_DIR).parent / "shared" / "samples"
READ = "sample read"


def sample(name: str) -> Path:
    """The file's path. REQUIRE_SAMPLES=1 makes a missing one a failure."""
    path = SAMPLES / name
    if not path.exists():
        missing = f"../shared/samples/{name} is missing"
        pytest.fail(missing) if os.environ.get("REQUIRE_SAMPLES") == "1" else pytest.skip(missing)
    return path
