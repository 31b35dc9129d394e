"""Tests speak to the database as the running web process does: as the application's role.

The owner's role creates, migrates and empties the test database, because the application's may do none of that.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import urlsplit

import hypothesis
import pytest
import redis
from django.conf import settings
from django.db import connections
from django.test import TransactionTestCase
from django.test.utils import setup_databases, teardown_databases

from opsconsole.supervisor import die_with_parent
from tests.samples import READ

pytest_plugins = ["tests.sandbox.running"]

# A slow machine is no fault of the code: speed is measured by `make bench` alone.
hypothesis.settings.register_profile("here", deadline=None, print_blob=True)
hypothesis.settings.load_profile("here")

# "default" mirrors "owner" (see settings), and Django resets only what is no mirror.
TransactionTestCase.databases = {"default", "owner"}

MUTATIONS = "mutated files by verdict"

SUPERVISE = """
import sys
from opsconsole import run, supervisor
supervisor.supervise([program for program in run.background() if program.name in sys.argv[1:]])
"""


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment, django_db_blocker, django_db_modify_db_settings, django_db_keepdb):
    """pytest-django's own, for all databases: it would set up only "default" and find nothing to mirror."""
    with django_db_blocker.unblock():
        created = setup_databases(verbosity=0, interactive=False, keepdb=django_db_keepdb)
    yield
    with django_db_blocker.unblock():
        connections.close_all()
        if not django_db_keepdb:
            teardown_databases(created, verbosity=0)


@pytest.fixture
def process_env(transactional_db) -> dict[str, str]:
    """Environment of a child process with the real settings, on this test's database, broker and files."""
    database = connections["default"].settings_dict["NAME"]
    urls = {name: urlsplit(settings.URLS[name]) for name in ("DATABASE_URL", "DATABASE_OWNER_URL")}
    redis.Redis.from_url(settings.REDIS_URL).flushdb()  # no message of an earlier test
    return {
        **os.environ,
        **{name: url._replace(path=f"/{database}").geturl() for name, url in urls.items()},
        "REDIS_URL": settings.REDIS_URL,
        "FILES_ROOT": str(settings.MEDIA_ROOT),
        "DJANGO_SETTINGS_MODULE": "opsconsole.settings",
    }


@pytest.fixture
def supervised(process_env) -> Callable[..., AbstractContextManager[subprocess.Popen]]:
    """`with supervised("files", "beat")`: these programs of `opsconsole.run` under the real supervisor."""

    @contextmanager
    def start(*names: str) -> Iterator[subprocess.Popen]:
        supervisor = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, *names],
            env=process_env,
            cwd=settings.BASE_DIR,
            preexec_fn=die_with_parent,  # a killed test run leaves nobody connected to its database
        )
        try:
            yield supervisor
        finally:
            supervisor.terminate()
            supervisor.wait(timeout=30)

    return start


def pytest_terminal_summary(terminalreporter) -> None:
    """How many files by others were read, so that a run without them is not taken for one with them; mutated ones by verdict."""
    passed = terminalreporter.getreports("passed")
    told = [pair for report in passed for pair in report.user_properties]
    terminalreporter.write_line(f"Settlement samples read: {len({value for name, value in told if name == READ})}")
    if mutated := [value for name, value in told if name == MUTATIONS]:
        counts = sum((Counter(verdicts) for _, verdicts in mutated), Counter())
        said = "; ".join(f"{count:,} {verdict}" for verdict, count in sorted(counts.items()))
        seeds = ", ".join(sorted({seed for seed, _ in mutated}))
        terminalreporter.write_line(f"Mutated settlement files, seeds {seeds}: {said}")
