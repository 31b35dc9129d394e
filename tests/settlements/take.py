"""Files taken as the console takes them: stored, then read by a job."""

from django.db.models import QuerySet

from apps.exceptions.models import Case
from apps.integrations.files import store
from apps.integrations.jobs import create, run_here
from apps.integrations.models import Connection, JobState
from apps.settlements.leg_jobs import READ_LEGS
from apps.settlements.models import READ_FILE, FileReading
from tests.settlements.files import File


def take(connection: Connection, file: File | bytes, name: str = "settlement.txt", **args) -> dict:
    """The verdict."""
    raw = file if isinstance(file, bytes) else file.bytes()
    stored = store(connection=connection, name=name, chunks=[raw], actor=None)
    job = run_here(create(kind=READ_FILE, entity=connection.entity, file=stored, args=args))
    assert job.state == JobState.DONE, job.error
    return job.result


def figures(verdict: dict, *names: str) -> tuple:
    return tuple(verdict[name] for name in names)


def live_cases(**about) -> QuerySet[Case]:
    """Those that a file caused. That none came for 16 days after a file of fixed dates is the calendar's doing."""
    return Case.objects.live().filter(**about).exclude(type="settlement.missing")


def take_legs(connection: Connection, legs: dict[str, str], name: str = "legs.csv") -> FileReading:
    """What became of a file of order legs: {"202-1": "GB>DE"}."""
    rows = [f"{order},{leg.replace('>', ',')}\n" for order, leg in legs.items()]
    raw = "".join(["order-id,ship-from,ship-to\n", *rows]).encode()
    stored = store(connection=connection, name=name, chunks=[raw], actor=None)
    job = run_here(create(kind=READ_LEGS, entity=connection.entity, file=stored))
    assert job.state == JobState.DONE, job.error
    return FileReading.objects.get(pk=job.result["reading"])
