"""What a person may have done to a spreadsheet after its preview: its good rows saved, the whole of it undone."""

from dataclasses import replace
from typing import Any

from django import forms

from apps.core.errors import Refused
from apps.core.models import User
from apps.core.permissions import IMPORT_SHEETS
from apps.exceptions.forms import ReasonForm
from apps.exceptions.types import Plan
from apps.imports.importable import sheet_of, weight_shown
from apps.imports.models import Import
from apps.imports.operations import begin_apply, can_apply, preview_undo, undo
from apps.work.deeds import Deed, Kind, register_kind


class ApplyForm(forms.Form):
    keep_conflicts = forms.BooleanField(label="Hand conflicts to a person as exceptions", required=False)

    def __init__(self, row: Import, actor: User, data: Any = None):
        super().__init__(data)


def _preview_apply(row: Import, actor: User, cleaned: dict[str, Any]) -> Plan:
    """What its dry run found. The worker looks at every row again, and saves nothing where one would do something else."""
    if not can_apply(row):
        raise Refused(f"{row.name} is {row.get_state_display().lower()}. Nothing was changed.", code="not-ready")
    rows = f"{row.good:,} row{'' if row.good == 1 else 's'}"
    says = row.effect.get("says", "")
    return Plan(
        effect=f"Save {rows}",
        says=f"Saves {rows} of {row.name}{says and f' and {says}'}. You can undo it as one until later work builds on it.",
        digest=row.digest,
        detail={what: f"{figure} {words}".strip() for what, figure, words in row.effect.get("lines", [])},
        weight=weight_shown(row),
    )


def _run_apply(row: Import, actor: User, cleaned: dict[str, Any]) -> str:
    begin_apply(row=row, digest=row.digest, keep_conflicts=cleaned["keep_conflicts"], actor=actor)
    return f"{row.name} is being saved."


def _preview_undo(row: Import, actor: User, cleaned: dict[str, Any]) -> Plan:
    return preview_undo(row)


def _run_undo(row: Import, actor: User, cleaned: dict[str, Any]) -> str:
    undo(row=row, reason=cleaned["reason"], actor=actor)
    return f"Undone. {row.name} can be brought again."


APPLY = Deed(
    name="apply",
    label="Save its good rows",
    permission=IMPORT_SHEETS,  # each sheet's own stands in its place
    form=ApplyForm,
    preview=_preview_apply,
    run=_run_apply,
)
UNDO = Deed(
    name="undo",
    label="Undo this import",
    permission=IMPORT_SHEETS,
    form=ReasonForm,
    preview=_preview_undo,
    run=_run_undo,
)


def deeds_of(row: Import) -> dict[str, Deed]:
    permission = sheet_of(row).permission
    return {deed.name: replace(deed, permission=permission) for deed in (APPLY, UNDO)}


register_kind(
    Kind(
        name="import",
        find=lambda pk, entity: Import.objects.select_related("entity", "job").get(pk=pk, entity=entity),
        deeds=deeds_of,
    )
)
