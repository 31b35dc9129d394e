"""What people do to an export batch after a preview: void it."""

from typing import Any

from apps.core.models import User
from apps.core.permissions import EXPORT_JOURNALS
from apps.exceptions.forms import ReasonForm
from apps.exceptions.types import Plan
from apps.ledger.models import ExportBatch
from apps.settlements import voiding
from apps.work.deeds import Deed


def _preview_void(batch: ExportBatch, actor: User, cleaned: dict[str, Any]) -> Plan:
    return voiding.preview_void(batch=batch, actor=actor)


def _void(batch: ExportBatch, actor: User, cleaned: dict[str, Any]) -> str:
    voiding.void_batch(batch=batch, reason=cleaned["reason"], actor=actor)
    return f"Batch {batch.number} is void. Its journals were given back."


VOID = Deed(
    name="void",
    label="Void this batch",
    permission=EXPORT_JOURNALS,
    form=ReasonForm,
    preview=_preview_void,
    run=_void,
    template="parts/void_plan.html",
)
