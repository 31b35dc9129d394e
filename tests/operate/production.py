"""The real settings for worker processes that know these tests' kinds of work too."""

from opsconsole.settings import *  # noqa: F403

CELERY_INCLUDE = ["tests.operate.kinds"]
