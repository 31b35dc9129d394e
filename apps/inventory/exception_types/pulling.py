"""The action that has Amazon's stock scanned anew."""

from typing import Any

from apps.core.models import User
from apps.core.permissions import KEEP_STOCK
from apps.exceptions.forms import NoForm
from apps.exceptions.models import Case
from apps.exceptions.types import Action, Plan, digest
from apps.integrations.models import Source, SyncRun
from apps.integrations.runs import pull


def _source(case: Case) -> Source:
    return Source.objects.select_related("connection").get(pk=case.facts["source"], connection__entity=case.entity_id)


def _preview(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
    source = _source(case)
    live = SyncRun.objects.filter(source=source, ended_at=None).exists()
    return Plan(
        effect="Pull the stock again",
        says=f"A scan of {source.connection} runs already: this waits for it. The case ends when it is complete."
        if live
        else f"A worker scans {source.connection} within seconds. Until the scan is complete, the one before counts.",
        digest=digest(source.pk, live),
    )


def _run(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    source = _source(case)
    run = pull(source)
    return f"Run {run.pk} scans {source.connection}."


PULL_AGAIN = Action(
    name="pull-again",
    label="Pull the stock again",
    permission=KEEP_STOCK,
    form=NoForm,
    preview=_preview,
    run=_run,
)
