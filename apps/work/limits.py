"""From which weight on a change takes a second person: an admin sets it for a company, for a reason."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms

from apps.core.models import Entity, User
from apps.core.money import words
from apps.core.operations import set_second_person
from apps.core.permissions import SET_SECOND_PERSON
from apps.exceptions.types import Plan, digest
from apps.work.deeds import Deed


@dataclass
class Limits:
    """The record of this deed: a company, with its limits."""

    entity: Entity

    @property
    def entity_id(self) -> int:
        return self.entity.pk

    @property
    def words(self) -> str:
        return in_words(self.entity, self.entity.second_above, self.entity.second_lines_above)

    def refresh_from_db(self) -> None:
        self.entity.refresh_from_db()


class LimitsForm(forms.Form):
    above = forms.DecimalField(label="More money than", min_value=0, max_digits=14, decimal_places=2, required=False)
    lines_above = forms.IntegerField(label="More lines than", min_value=0, max_value=2_000_000_000, required=False)
    reason = forms.CharField(label="Reason, for the audit trail", max_length=240)

    def __init__(self, limits: Limits, actor: User, data: Any = None):
        entity = limits.entity
        above = entity.second_above
        now = {"above": above if above is None else f"{above:.2f}", "lines_above": entity.second_lines_above}
        super().__init__(data, initial=now if data is None else None)
        self.fields["above"].help_text = f"In {entity.base_currency}, without sign. Empty: money never asks for a second person."
        self.fields["lines_above"].help_text = "Empty: the count of lines never asks for a second person."


def in_words(entity: Entity, above: Decimal | None, lines_above: int | None) -> str:
    """What takes two people: "More than £5,000.00, or more than 1,000 lines."."""
    limits = [] if above is None else [f"more than {words(above, entity.base_currency)}"]
    if lines_above is not None:
        limits.append(f"more than {lines_above:,} lines")
    if not limits:
        return "No change takes a second person."
    return f"A change of {' or of '.join(limits)} takes a second person."


def _preview(limits: Limits, actor: User, cleaned: dict[str, Any]) -> Plan:
    entity, wanted = limits.entity, (cleaned["above"], cleaned["lines_above"])
    return Plan(
        effect="Set these limits",
        says="They hold from the next change on. What waits already still takes its second person.",
        digest=digest(entity.pk, entity.second_above, entity.second_lines_above, *wanted),
        detail={"now": limits.words, "then": in_words(entity, *wanted)},
    )


def _run(limits: Limits, actor: User, cleaned: dict[str, Any]) -> str:
    entity = set_second_person(entity=limits.entity, actor=actor, **cleaned)
    return in_words(entity, entity.second_above, entity.second_lines_above)


SET_LIMITS = Deed(
    name="limits",
    label="Set the limits",
    permission=SET_SECOND_PERSON,
    form=LimitsForm,
    preview=_preview,
    run=_run,
)
