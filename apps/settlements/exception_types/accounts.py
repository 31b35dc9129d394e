"""A rule points at an account that was closed, or a journal that has not left stands on one."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django import forms

from apps.core.models import User
from apps.core.money import plain
from apps.core.permissions import APPLY_CHART, MAP_FEES, Team
from apps.exceptions.forms import ReasonForm, refusal_beside_its_field
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import Action, ExceptionType, Finding, Plan, Runbook, Scope, register
from apps.ledger.models import Account
from apps.settlements import accounts, causes
from apps.settlements.rule_versions import foresee

RULES_NAMED = 10


def closed_accounts_in_use(scope: Scope) -> Iterator[Finding]:
    """One finding for each closed account that rules still map later days to, or that journals still stand on."""
    closed = Account.objects.filter(entity=scope.entity).exclude(closed_at=None).select_related("entity")
    if scope.subjects is not None:
        closed = closed.filter(code__in=scope.subjects)
    waiting, pointing = accounts.waiting_on(closed), accounts.still_pointing(closed)
    for account in closed:
        if account.pk in pointing or account.pk in waiting:
            rules = [str(rule) for rule in pointing.get(account.pk, ())]
            yield _finding(account, rules, waiting.get(account.pk, accounts.Waiting()))


def _finding(account: Account, rules: list[str], waiting: accounts.Waiting) -> Finding:
    currency = max(sorted(waiting.money), key=waiting.money.__getitem__, default=account.entity.base_currency)
    payouts = {row["settlement_id"]: (row["currency"], max(row["payout"], Decimal(0))) for row in waiting.settlements}
    blocked: dict[str, Decimal] = {}
    for code, payout in payouts.values():
        blocked[code] = blocked.get(code, Decimal(0)) + payout
    closed = accounts.closed_on(account)
    return Finding(
        subject=account.code,
        currency=currency,
        stake=waiting.money.get(currency, Decimal(0)),
        lines=waiting.lines,
        facts={
            "account_id": account.pk,
            "name": str(account),
            "closed": closed.isoformat(),
            "since": min(closed, waiting.first or closed).isoformat(),
            "rules": rules[:RULES_NAMED],
            "rule_count": len(rules),
            "blocked": {code: plain(amount, code) for code, amount in blocked.items()},
            "settlements": [
                {name: plain(row[name], row["currency"]) if name in ("amount", "payout") else row[name] for name in row}
                for row in waiting.settlements
            ],
        },
    )


def _headline(case: Case) -> str:
    rules, journals = case.facts["rule_count"], len(case.facts["settlements"])
    if rules:
        return (
            f"{case.facts['name']} is closed, but {rules} rule{' still posts' if rules == 1 else 's still post'} to it"
        )
    return f"{case.facts['name']} is closed, but journals of {journals} settlement{'' if journals == 1 else 's'} stand on it"


def account_of(case: Case) -> Account:
    return Account.objects.select_related("entity").get(pk=case.facts["account_id"], entity=case.entity_id)


class MoveRulesForm(forms.Form):
    account = forms.ModelChoiceField(Account.objects.none(), label="To this account", empty_label="Choose an account")
    since = forms.DateField(label="From", required=False, widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"))
    reason = forms.CharField(label="Reason, for the audit trail", max_length=240)

    def __init__(self, case: Case, actor: User, data: Any = None):
        self.case, self.actor = case, actor
        super().__init__(data, initial=None if data else {"since": date.fromisoformat(case.facts["since"])})
        self.fields["account"].queryset = Account.objects.postable().filter(entity=case.entity_id)
        self.fields["since"].help_text = "Empty: from the beginning of each rule. What has left is then corrected."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            with refusal_beside_its_field():
                accounts.moved(account_of(self.case), **_move(cleaned), actor=self.actor)
        return cleaned


def _move(cleaned: dict[str, Any]) -> dict[str, Any]:
    return {"to": cleaned["account"], "since": cleaned["since"], "reason": cleaned["reason"]}


def _preview_move(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
    account, to = account_of(case), cleaned["account"]
    steps = accounts.moved(account, **_move(cleaned), actor=actor)
    seen = foresee(case.entity, steps)
    rules = f"{len(steps)} rule{'' if len(steps) == 1 else 's'}"
    lines = f"{seen.comparison.moved:,} line{'' if seen.comparison.moved == 1 else 's'}"
    return Plan(
        effect=f"Move {rules} to {to.code} and {seen.comparison.effect}",
        says=f"{rules} and {lines} go from {account.code} to {to.code}. All of it or none of it.",
        digest=seen.digest,
        detail={"seen": seen},
    )


def _run_move(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    made = accounts.move_rules(account=account_of(case), **_move(cleaned), actor=actor)
    return f"Moved. {len(made)} rule{' posts' if len(made) == 1 else 's post'} to {cleaned['account']} now."


def _preview_reopen(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
    return accounts.preview_reopen(account_of(case))


def _run_reopen(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    return f"{accounts.reopen_account(account=account_of(case), reason=cleaned['reason'], actor=actor)} is open again."


MOVE_RULES = Action(
    name="move-rules",
    label="Point its rules at another account",
    permission=MAP_FEES,
    form=MoveRulesForm,
    preview=_preview_move,
    run=_run_move,
    clears=causes.JOURNALS,
    template="cases/rule_plan.html",
)
REOPEN = Action(
    name="reopen-account",
    label="Reopen the account",
    permission=APPLY_CHART,
    form=ReasonForm,
    preview=_preview_reopen,
    run=_run_reopen,
    clears=("ledger.account-missing",),
)

ACCOUNT_MISSING = register(ExceptionType(
    code="ledger.account-missing",
    title="A closed account is still posted to",
    team=Team.FINANCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=True,
    floor=Decimal(50),
    respond_within=timedelta(days=2),
    detect=closed_accounts_in_use,
    headline=_headline,
    panel="cases/account_missing.html",
    actions=(MOVE_RULES, REOPEN),
    runbook=Runbook(
        impact="A journal with a line on a closed account is not approved, so its payout stays out of the books.",
        steps=(
            "Read why the account was closed: its page says who did it and the reason.",
            "Choose the account that takes its place, and the day from which it does. Read the preview, save.",
            "Where a correction of an exported journal must still post to it, reopen it, export, and close it again.",
        ),
        prevention="Before closing an account, move its rules: the preview of the closing names them.",
        escalate="To whoever keeps the chart of accounts, when nobody knows which account takes its place.",
    ),
))  # fmt: skip
