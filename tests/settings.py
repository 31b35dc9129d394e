"""The settings, where tests differ: their own broker database and files, so that a running demo never sees them."""

import os
import re
import tempfile

from opsconsole import settings as real
from opsconsole.settings import *  # noqa: F403

# Database 0 is the demo's. Each parallel process of the test run has its own.
BROKER_DATABASE = 1 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
REDIS_URL = re.sub(r"(?<=[/=])\d+$", str(BROKER_DATABASE), real.REDIS_URL)
CELERY_BROKER_URL = real.broker_url(REDIS_URL)
CACHES = {"default": real.CACHES["default"] | {"LOCATION": REDIS_URL}}

for database in DATABASES.values():  # noqa: F405
    database.setdefault("OPTIONS", {})["options"] = "-c synchronous_commit=off"  # no test outlives its server

FILES = tempfile.TemporaryDirectory(prefix="opsconsole-tests-")  # removed when this process ends
MEDIA_ROOT = FILES.name
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
