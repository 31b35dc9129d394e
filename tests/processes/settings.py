"""The real settings for worker processes that know the tests' kinds of work too."""

from opsconsole.settings import *  # noqa: F403

CELERY_INCLUDE = ["tests.processes.kinds", "tests.processes.slow_feed"]
