import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from opsconsole.embedded import PROJECT
from opsconsole.embedded.places import Places

ADDRESSES = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}


@dataclass(frozen=True)
class Installation:
    """An installation of its own: other data, other servers than the developer's."""

    data: Path

    @property
    def places(self) -> Places:
        return Places.of(self.data)

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in ADDRESSES}
        return inherited | {"OPSCONSOLE_DATA": str(self.data)}

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=PROJECT,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Exit status and everything printed."""
        process = self.start(*arguments, **environment)
        printed, _ = process.communicate(timeout=120)
        return process.returncode, printed

    def manage(self, *arguments: str, **environment: str) -> tuple[int, str]:
        return self.run("manage.py", *arguments, **environment)

    def remove(self) -> None:
        self.manage("services", "stop")
        for folder in (self.places.home, self.places.sockets, self.data):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def installation(tmp_path) -> Iterator[Installation]:
    own = Installation(tmp_path / "data")
    yield own
    own.remove()


@pytest.fixture
def deep_installation(tmp_path) -> Iterator[Installation]:
    """At a path of 120 characters, more than a socket's path can hold, some of which mean something to a shell."""
    own = Installation(tmp_path / "it's $HOME ".ljust(119 - len(str(tmp_path)), "d"))
    yield own
    own.remove()
