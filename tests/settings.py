"""The settings, where tests differ: their own broker database and files, so that a running demo never sees them."""

import os
import tempfile

from opsconsole.settings import *  # noqa: F403
from opsconsole.settings import REDIS_URL as DEMO_REDIS_URL

# Database 0 is the demo's. Each parallel process of the test run has its own.
BROKER_DATABASE = 1 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
REDIS_URL = f"{DEMO_REDIS_URL.rpartition('0')[0]}{BROKER_DATABASE}"
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")
MEDIA_ROOT = tempfile.mkdtemp(prefix="opsconsole-tests-")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
