"""Processes that a test starts: with the real settings, on a database, broker and files of the tests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import redis
from django.conf import settings

from opsconsole.supervisor import die_with_parent

SUPERVISE = """
import sys
from opsconsole import run, supervisor
supervisor.supervise([program for program in run.background() if program.name in sys.argv[1:]])
"""


def environment(database: str) -> dict[str, str]:
    """That of a child process on this database; the broker has no message of an earlier test."""
    urls = {name: urlsplit(settings.URLS[name]) for name in ("DATABASE_URL", "DATABASE_OWNER_URL")}
    redis.Redis.from_url(settings.REDIS_URL).flushdb()
    return {
        **os.environ,
        **{name: url._replace(path=f"/{database}").geturl() for name, url in urls.items()},
        "REDIS_URL": settings.REDIS_URL,
        "FILES_ROOT": str(settings.MEDIA_ROOT),
        "DJANGO_SETTINGS_MODULE": "opsconsole.settings",
    }


@contextmanager
def supervised_by(env: dict[str, str], *names: str) -> Iterator[subprocess.Popen]:
    """These programs of `opsconsole.run` under the real supervisor."""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, *names],
        env=env,
        cwd=settings.BASE_DIR,
        preexec_fn=die_with_parent,  # a killed test run leaves nobody connected to its database
    )
    try:
        yield supervisor
    finally:
        supervisor.terminate()
        supervisor.wait(timeout=30)
