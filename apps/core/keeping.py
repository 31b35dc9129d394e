"""What only grows goes by age: the periods, and the one purge that beat starts. The audit trail is none of it: it stays."""

import logging
from collections.abc import Callable
from datetime import timedelta

from django.db import transaction

log = logging.getLogger(__name__)

# After the end of each. Buyers' data goes by the days that their company keeps it.
SIGN_INS = timedelta(days=90)
RUNS = timedelta(days=90)
UNCHANGED_RUNS = timedelta(days=14)  # that worked at once and brought nothing new: they are most
JOBS = timedelta(days=90)
ALERTS = timedelta(days=90)
BULKS = timedelta(days=90)
FAILED_RECORDS = timedelta(days=90)
ANSWERED_WRITES = timedelta(days=7)

PURGES: dict[str, Callable[[], object]] = {}  # what goes, in words, and by what: each app adds its own


def purge() -> None:
    """All that is old enough. What fails is reported and stops no other."""
    for what, forget in PURGES.items():
        try:
            with transaction.atomic():
                forget()
        except Exception:  # they are of many apps: the fault of one is its own, and it is tried again tomorrow
            log.exception("Old %s could not be deleted", what)
