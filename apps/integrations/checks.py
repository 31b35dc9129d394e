"""Asking a connection who we are, as a job: its result is what the system answered, in words."""

from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from apps.core.errors import Refused
from apps.integrations import endings, jobs, runs
from apps.integrations.connectors import connector_of
from apps.integrations.contract import ConnectorError, NotYet
from apps.integrations.leases import Progress
from apps.integrations.models import Connection, Job, Source

KIND = "integrations.check"


def _run(job: Job, progress: Progress) -> dict[str, Any]:
    """A connection that answers is authorised; feeds that never brought anything are pulled at once."""
    connection = Connection.objects.select_related("entity").get(pk=job.args["connection"])
    progress.say(f"Asking {connection}")
    try:
        checked = connector_of(connection).check()
    except NotYet as pause:
        raise jobs.Later(pause.words, pause.after, planned=True) from pause
    except ConnectorError as error:
        endings.keep_fault(connection, error)
        endings.sweep_of(connection)
        raise Refused(error.evidence.words) from error
    with transaction.atomic():
        sources = Source.objects.filter(connection=connection)
        if connection.revoked_at:
            Connection.objects.filter(pk=connection.pk).update(revoked_at=None)
            sources.update(watched_from=Now())
        for source in sources.filter(proven_at=None, paused=False):
            runs.pull(source)
        jobs.hold(job)
    endings.sweep_of(connection)
    return {"words": checked.words, "marketplaces": list(checked.marketplaces)}


jobs.register_kind(jobs.JobKind(name=KIND, queue="sync", run=_run, title="Check a connection"))
