"""The action that chooses the version of a changed settlement: its form, what it would do, doing it."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.db import connection

from apps.core.models import User
from apps.core.money import words
from apps.core.permissions import MAP_FEES
from apps.exceptions.models import Case
from apps.exceptions.types import Action, Plan, digest
from apps.settlements import causes, chains, journals
from apps.settlements.comparison import Comparison
from apps.settlements.differences import Difference, difference
from apps.settlements.evidence import versions_to_choose
from apps.settlements.facts import read
from apps.settlements.models import Settlement, SettlementVersion
from apps.settlements.plans import compare
from apps.settlements.report import Report
from apps.settlements.resolutions import lock_mapping
from apps.settlements.versions import HEAD, check, choose_version, head_of, lock_settlement, why_not

State = SettlementVersion.State


def kept_of(versions: list[SettlementVersion]) -> SettlementVersion:
    """The version that counts until a person chooses: the taken one, else the oldest."""
    return next((version for version in versions if version.state == State.TAKEN), versions[0])


class Versions(forms.RadioSelect):
    """One radio a version. One that cannot be chosen is there, and cannot be pressed."""

    closed: frozenset[int] = frozenset()

    def create_option(self, name, value, *args, **kwargs) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        if value in self.closed:
            option["attrs"]["disabled"] = True
        return option


class ChooseVersionForm(forms.Form):
    version = forms.TypedChoiceField(coerce=int, label="The version that counts", widget=Versions)
    reason = forms.CharField(label="Reason, for the audit trail", max_length=240)

    def __init__(self, case: Case, actor: User, data: Any = None):
        super().__init__(data)
        self.found = {version.pk: version for version in versions_to_choose(case)}
        field = self.fields["version"]
        field.choices = [(pk, _option(version)) for pk, version in self.found.items()]
        field.widget.closed = frozenset(pk for pk, version in self.found.items() if why_not(version))

    def clean_version(self) -> SettlementVersion:
        version = self.found[self.cleaned_data["version"]]
        if fault := why_not(version):
            raise forms.ValidationError(fault)
        return version


def _option(version: SettlementVersion) -> str:
    here = "keep it" if version.state == State.TAKEN else "use it"
    fault = why_not(version)
    return f"Version {version.number}, {version.file.name}: {fault or here}"


@dataclass(frozen=True, kw_only=True)
class VersionPlan:
    """What the preview shows. `dates` are the days and the currency that change with the file, in words."""

    chosen: SettlementVersion
    kept: SettlementVersion
    comparison: Comparison
    difference: Difference | None
    dates: list[str]


def preview(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
    """The journals by the file that counts now and by the chosen one, and the lines in which the two differ."""
    chosen = cleaned["version"]
    settlement = Settlement.objects.select_related("entity").get(pk=chosen.settlement_id)
    if connection.in_atomic_block:  # inside perform nothing may change between the plan and the deed
        lock_settlement(settlement.settlement_id)
        lock_mapping(settlement.entity_id)
    versions = versions_to_choose(case)
    kept = kept_of(versions)
    head = head_of(chosen)
    check(chosen, head)
    chosen.settlement = _as_head_says(settlement, head)
    facts = read(settlement.entity, [kept, chosen])
    computed = {payout.version.pk: payout for payout in journals.compute(facts)}
    comparison = compare(facts, [computed[kept.pk]], [computed[chosen.pk]])
    same = chosen == kept
    waiting = len(versions) - 1
    put_away = f"The other{'' if waiting == 1 else f' {waiting}'} {'is' if waiting == 1 else 'are'} put away as superseded."
    stays = "No journal changes." if same else f"The payout is {words(chosen.total, head.currency)}. What was exported stays."
    return Plan(
        effect=f"Keep version {chosen.number}" if same else f"Use version {chosen.number} and {comparison.effect}",
        says=f"{stays} {put_away}",
        digest=digest(
            chosen.pk,
            head,
            [(version.pk, version.state, version.rows_hash, version.lines, version.sum) for version in versions],
            facts.books,
            computed[kept.pk].entries,
            computed[chosen.pk].entries,
            comparison,
        ),
        detail={
            "choice": VersionPlan(
                chosen=chosen,
                kept=kept,
                comparison=comparison,
                difference=None if same else difference(kept, chosen),
                dates=_changed_dates(settlement, head),
            )
        },
    )


def _as_head_says(settlement: Settlement, head: Report) -> Settlement:
    """A copy of the settlement with the chosen file's dates; it is not saved."""
    found = Settlement(pk=settlement.pk, entity=settlement.entity, settlement_id=settlement.settlement_id)
    found.connection_id = settlement.connection_id
    for name in HEAD:
        setattr(found, name, getattr(head, name))
    return found


def _changed_dates(settlement: Settlement, head: Report) -> list[str]:
    names = {"start_at": "Start", "end_at": "End", "deposit_at": "Deposit"}
    return [
        f"{label}: {getattr(settlement, name):%d.%m.%Y %H:%M:%S} UTC becomes {getattr(head, name):%d.%m.%Y %H:%M:%S} UTC"
        for name, label in names.items()
        if getattr(settlement, name) != getattr(head, name)
    ]


def run(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    chosen = cleaned["version"]
    settlement = Settlement.objects.select_related("entity").get(pk=chosen.settlement_id)
    kept = chosen.state == State.TAKEN
    choose_version(settlement=settlement, version=chosen, reason=cleaned["reason"], actor=actor)
    return f"Version {chosen.number} {'stays' if kept else 'counts now'}."


def a_choice(case: Case) -> bool:
    """Whether any version can be chosen at all."""
    return any(not why_not(version) for version in versions_to_choose(case))


CHOOSE_VERSION = Action(
    name="choose-version",
    label="Choose a version",
    permission=MAP_FEES,
    form=ChooseVersionForm,
    preview=preview,
    run=run,
    clears=("settlement.changed", "settlement.does-not-tie", *causes.JOURNALS, *chains.TYPES),
    template="cases/version_plan.html",
    available=a_choice,
)
