"""What people do to journals after a preview: approve and export several at once, take one's approval back."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms

from apps.core.errors import Refused
from apps.core.models import Entity, User
from apps.core.permissions import APPROVE_JOURNALS, EXPORT_JOURNALS
from apps.core.words import counted
from apps.exceptions.forms import NoForm, ReasonForm
from apps.exceptions.types import Plan, digest
from apps.ledger.models import ExportBatch, Journal
from apps.settlements import approval, causes, exports
from apps.work.deeds import Deed


@dataclass(frozen=True)
class Ticked:
    """Journals of one company that something is done to at once."""

    journals: list[Journal]

    @property
    def entity(self) -> Entity:
        return self.journals[0].entity

    @property
    def entity_id(self) -> int:
        return self.journals[0].entity_id

    def refresh_from_db(self) -> None:
        """Nothing: the verbs read the journals anew."""


def ticked(ids: Iterable[int], person: User) -> Ticked:
    """These journals, all of one company. Raises Journal.DoesNotExist where the person sees one of them not."""
    ids = set(ids)
    visible = Journal.objects.visible_to(person).filter(pk__in=ids).select_related("entity").order_by("period", "key")
    if len(visible) < len(ids):
        raise Journal.DoesNotExist("no such journal")
    if len({journal.entity_id for journal in visible}) > 1:
        raise Refused("These journals are of several companies. Take one company at a time.", code="several-companies")
    return Ticked(list(visible))


class FormatForm(forms.Form):
    """Suggests the format that the company's last batch had."""

    format = forms.ChoiceField(label="Format", choices=ExportBatch.Format)

    def __init__(self, ticked: Ticked, actor: User, data: Any = None):
        super().__init__(data)
        last = ExportBatch.objects.filter(entity=ticked.entity_id).values_list("format", flat=True).first()
        self.fields["format"].initial = last or ExportBatch.Format.GENERIC


def _preview_approve(ticked: Ticked, actor: User, cleaned: dict[str, Any]) -> Plan:
    return approval.preview_approve(journals=ticked.journals, actor=actor)


def _approve(ticked: Ticked, actor: User, cleaned: dict[str, Any]) -> str:
    done = approval.approve(journals=ticked.journals, actor=actor)
    return f"Approved. {counted(len(done), 'journal')} can be exported now."


def _preview_export(ticked: Ticked, actor: User, cleaned: dict[str, Any]) -> Plan:
    return exports.preview_export(journals=ticked.journals, actor=actor, **cleaned)


def _export(ticked: Ticked, actor: User, cleaned: dict[str, Any]) -> str:
    batch = exports.export(journals=ticked.journals, actor=actor, **cleaned)
    return f"Exported as batch {batch.number}. Download its file here, now and at any time."


def _preview_withdraw(journal: Journal, actor: User, cleaned: dict[str, Any]) -> Plan:
    return Plan(
        effect="Take the approval back",
        says="It goes back to draft with your reason, and can be approved again. Its lines stay as they are.",
        digest=digest("withdraw", journal.pk, journal.state, journal.approved_at),
        detail={"now": f"Approved by {journal.approved_by}", "then": "Draft"},
    )


def _withdraw(journal: Journal, actor: User, cleaned: dict[str, Any]) -> str:
    approval.withdraw(journal=journal, reason=cleaned["reason"], actor=actor)
    return "The journal is a draft again."


APPROVE = Deed(
    name="approve",
    label="Approve",
    permission=APPROVE_JOURNALS,
    form=NoForm,
    preview=_preview_approve,
    run=_approve,
    template="parts/ticked_plan.html",
)
EXPORT = Deed(
    name="export",
    label="Export",
    permission=EXPORT_JOURNALS,
    form=FormatForm,
    preview=_preview_export,
    run=_export,
    template="parts/ticked_plan.html",
)
WITHDRAW = Deed(
    name="withdraw",
    label="Take the approval back",
    permission=APPROVE_JOURNALS,
    form=ReasonForm,
    preview=_preview_withdraw,
    run=_withdraw,
    clears=causes.MONTHS,
)
