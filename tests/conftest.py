"""Tests speak to the database as the running web process does: as the application's role.

The owner's role creates, migrates and empties the test database, because the application's may do none of that.
"""

import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager

import hypothesis
import pytest
from django.db import connections
from django.test import TransactionTestCase
from django.test.utils import setup_databases, teardown_databases
from xdist.scheduler import LoadScopeScheduling

from tests.children import environment, supervised_by
from tests.emptying import empty_tables
from tests.samples import READ

pytest_plugins = ["tests.sandbox.running"]

# A slow machine is no fault of the code: speed is measured by `make bench` alone.
SLOW = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("here", deadline=None, suppress_health_check=SLOW, print_blob=True)
hypothesis.settings.load_profile("here")

# "default" mirrors "owner" (see settings), and Django resets only what is no mirror.
TransactionTestCase.databases = {"default", "owner"}
TransactionTestCase._fixture_teardown = lambda self: empty_tables()

MUTATIONS = "mutated files by verdict"
MEASURED = "screens measured"
BROWSER = "tests/browser/"


class BrowserBeside(LoadScopeScheduling):
    """One process has all tests of the browser, and has them first: the demo is loaded once, and while that process waits for
    pages the others compute. Every other test is handed out by itself, so that nobody waits for another's queue at the end.
    """

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER if nodeid.startswith(BROWSER) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log) -> LoadScopeScheduling:
    return BrowserBeside(config, log)


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
    """Environment of a child process on this test's database."""
    return environment(connections["default"].settings_dict["NAME"])


@pytest.fixture
def supervised(process_env) -> Callable[..., AbstractContextManager[subprocess.Popen]]:
    """`with supervised("files", "beat")`: these programs of `opsconsole.run` under the real supervisor."""
    return lambda *names: supervised_by(process_env, *names)


def pytest_terminal_summary(terminalreporter) -> None:
    """How many files by others were read, so that a run without them is not taken for one with them; mutated ones by verdict;
    what the browser measured.
    """
    ended = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    told = [pair for report in ended if report.when == "call" for pair in report.user_properties]
    terminalreporter.write_line(f"Settlement samples read: {len({value for name, value in told if name == READ})}")
    if mutated := [value for name, value in told if name == MUTATIONS]:
        counts = sum((Counter(verdicts) for _, verdicts in mutated), Counter())
        said = "; ".join(f"{count:,} {verdict}" for verdict, count in sorted(counts.items()))
        seeds = ", ".join(sorted({seed for seed, _ in mutated}))
        terminalreporter.write_line(f"Mutated settlement files, seeds {seeds}: {said}")
    if rows := [value for name, value in told if name == MEASURED]:
        terminalreporter.section(MEASURED)
        terminalreporter.write_line("\n".join(rows))
