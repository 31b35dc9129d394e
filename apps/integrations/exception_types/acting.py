"""What people do about feeds and connections from a case: fetch again, check, sign in anew."""

from collections.abc import Callable
from typing import Any

from apps.core.models import User
from apps.core.permissions import KEEP_CONNECTIONS, RUN_JOBS
from apps.exceptions.forms import NoForm
from apps.exceptions.models import Case
from apps.exceptions.types import Action, Plan, digest
from apps.integrations import operations
from apps.integrations.forms import CredentialsForm
from apps.integrations.models import Connection, Source, SyncRun

CHECK_SAYS = "A worker asks who we are. What it is told shows on the connection's page within seconds."


def fetch_again(sources_of: Callable[[Case], list[Source]]) -> Action:
    """Pull now what the case is about."""

    def preview(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
        sources = sources_of(case)
        live = list(SyncRun.objects.filter(source__in=sources, ended_at=None).values_list("pk", flat=True))
        return Plan(
            effect="Fetch again now",
            says="A worker asks for what is new since the last page that was stored. What we have already stays, and comes "
            "back as unchanged.",
            digest=digest(case.pk, sorted(source.pk for source in sources), sorted(live)),
        )

    def run(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
        begun = [operations.fetch_now(source=source, actor=actor) for source in sources_of(case)]
        numbers = " and ".join(f"run {run.pk}" for run in begun)
        return f"{numbers.capitalize()} is on its way." if len(begun) == 1 else f"{numbers.capitalize()} are on their way."

    return Action(
        name="fetch-again",
        label="Fetch again",
        permission=RUN_JOBS,
        form=NoForm,
        preview=preview,
        run=run,
        available=lambda case: bool(sources_of(case)),
    )


def check(connection_of: Callable[[Case], Connection]) -> Action:
    def preview(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
        connection = connection_of(case)
        return Plan(
            effect="Check the connection",
            says=CHECK_SAYS,
            digest=digest(connection.pk, connection.revoked_at),
        )

    def run(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
        connection = connection_of(case)
        operations.check_connection(connection=connection, actor=actor)
        return f"{connection} is being checked."

    return Action(
        name="check", label="Check the connection", permission=RUN_JOBS, form=NoForm, preview=preview, run=run
    )


def replace_credentials(connection_of: Callable[[Case], Connection]) -> Action:
    def preview(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
        return plan_replacing(connection_of(case))

    def run(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
        connection = connection_of(case)
        operations.replace_credentials(connection=connection, credentials=cleaned, actor=actor)
        return f"{connection} signs in with the new credentials, and is being checked."

    return Action(
        name="replace-credentials",
        label="Replace the credentials",
        permission=KEEP_CONNECTIONS,
        form=CredentialsForm,
        preview=preview,
        run=run,
    )


def plan_replacing(connection: Connection) -> Plan:
    return Plan(
        effect="Replace the credentials",
        says=f"They are sealed, and nothing shows them again. {CHECK_SAYS} If it is well, the feeds go on by themselves.",
        digest=digest(connection.pk, connection.credential.changed_at if hasattr(connection, "credential") else None),
    )
