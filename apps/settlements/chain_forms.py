"""The changes that a person may make to a reserve chain, each with its form, its plan and its doing.

The chain's own page and the cases about it read the same objects.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms

from apps.core.errors import Refused
from apps.core.models import User
from apps.core.money import exponent, round_half_up
from apps.exceptions.forms import NoForm, ReasonForm
from apps.exceptions.types import Plan
from apps.settlements import chain_changes, chains
from apps.settlements.models import ReserveChain, Settlement


class OpeningForm(forms.Form):
    amount = forms.DecimalField()
    reason = forms.CharField(label="Where the figure comes from, for the audit trail", max_length=240)

    def __init__(self, chain: ReserveChain, actor: User, data: Any = None):
        links, places = chains.roll_forward(chain).links, exponent(chain.currency)
        given_back = round_half_up(links[0].payout.given_back, chain.currency) if links else None
        super().__init__(data, initial={"amount": given_back})
        self.fields["amount"] = forms.DecimalField(
            label=f"Reserve before the first settlement, {chain.currency}",
            max_digits=14 + places,
            decimal_places=places,
            help_text="As Amazon gave it back. Your books should say the same.",
        )


class MoveForm(forms.Form):
    """`settlement` is the one that is chosen to begin with."""

    settlement = forms.ChoiceField(label="Settlement")
    to = forms.ModelChoiceField(ReserveChain.objects.none(), label="Into", required=False, empty_label="A new chain")
    name = forms.CharField(label="Name of the new chain", max_length=120, required=False)
    reason = forms.CharField(label="Reason, for the audit trail", max_length=240)

    def __init__(self, chain: ReserveChain, actor: User, data: Any = None, *, settlement: str = ""):
        super().__init__(data, initial={"settlement": settlement})
        numbers = [linked.payout.id for linked in chains.roll_forward(chain).links]
        self.fields["settlement"].choices = [(number, number) for number in numbers]
        same = ReserveChain.objects.filter(connection=chain.connection_id, currency=chain.currency)
        self.fields["to"].queryset = same.exclude(pk=chain.pk)


@dataclass(frozen=True, kw_only=True)
class Change:
    """`form`, `preview` and `run` are those of apps.exceptions.types.Action, with the chain in the case's place."""

    name: str
    label: str
    form: Callable[..., forms.Form]
    preview: Callable[[ReserveChain, User, dict[str, Any]], Plan]
    run: Callable[[ReserveChain, User, dict[str, Any]], str]


def _move(chain: ReserveChain, actor: User, cleaned: dict[str, Any]) -> str:
    settlement = Settlement.objects.filter(settlement_id=cleaned["settlement"], link__chain=chain).first()
    if settlement is None:
        raise Refused("This settlement is not in the chain any more.", field="settlement", code="not-there")
    return chain_changes.move_settlement(
        settlement=settlement, to=cleaned["to"], name=cleaned["name"], reason=cleaned["reason"], actor=actor
    )


CONFIRM = Change(
    name="confirm",
    label="Confirm the chain",
    form=NoForm,
    preview=lambda chain, actor, cleaned: chain_changes.plan_confirm(chain),
    run=lambda chain, actor, cleaned: chain_changes.confirm_chain(chain=chain, actor=actor),
)
OPENING = Change(
    name="confirm-opening",
    label="Confirm the opening reserve",
    form=OpeningForm,
    preview=lambda chain, actor, cleaned: chain_changes.plan_opening(chain, cleaned["amount"]),
    run=lambda chain, actor, cleaned: chain_changes.confirm_opening(
        chain=chain, amount=cleaned["amount"], reason=cleaned["reason"], actor=actor
    ),
)
MOVE = Change(
    name="move-settlement",
    label="Move a settlement to another chain",
    form=MoveForm,
    preview=lambda chain, actor, cleaned: chain_changes.plan_move(
        chain, cleaned["settlement"], cleaned["to"], cleaned["name"]
    ),
    run=_move,
)
END = Change(
    name="end-chain",
    label="Say that the chain has ended",
    form=ReasonForm,
    preview=lambda chain, actor, cleaned: chain_changes.plan_end(chain),
    run=lambda chain, actor, cleaned: chain_changes.end_chain(chain=chain, reason=cleaned["reason"], actor=actor),
)
