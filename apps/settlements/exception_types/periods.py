"""A locked month with journals that are not exported: each is posted later, or another person unlocks the month."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby

from apps.core.models import User
from apps.core.money import ZERO, plain, words
from apps.core.permissions import CONFIRM_UNLOCK, LOCK_PERIODS, POST_LATER, Team
from apps.exceptions.forms import NoForm, ReasonForm
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import Action, ExceptionType, Finding, Runbook, Scope, register
from apps.ledger.models import Journal, PeriodLock
from apps.ledger.periods import locked_months
from apps.settlements import causes, closing, waiting


def closed_months(scope: Scope) -> Iterator[Finding]:
    """One finding for each locked month that journals wait for."""
    months = sorted(locked_months(scope.entity))
    if scope.subjects is not None:
        months = [month for month in months if f"{month:%Y-%m}" in scope.subjects]
    rows = sorted(waiting.waiting(scope.entity, months), key=lambda row: row.period)
    for month, found in groupby(rows, key=lambda row: row.period):
        yield _finding(month, list(found))


def _finding(month: date, rows: list[Journal]) -> Finding:
    amounts = waiting.money_of(rows)
    largest = max(sorted(amounts), key=amounts.__getitem__)
    # A correction holds no payout back: all but the difference has left.
    payouts = {row.of_settlement.version for row in rows if row.corrects_id is None}
    blocked: dict[str, Decimal] = {}
    for version in payouts:
        currency = version.settlement.currency
        blocked[currency] = blocked.get(currency, ZERO) + max(version.total, ZERO)
    settlements = {row.of_settlement.version.settlement.settlement_id for row in rows}
    return Finding(
        subject=f"{month:%Y-%m}",
        currency=largest,
        # No stake: the journals are right, only late. What they hold back is shown beside the rank, as for any case.
        facts={
            "month": month.isoformat(),
            "amounts": {currency: plain(amount, currency) for currency, amount in amounts.items()},
            "journals": [
                {"key": row.key, "pk": row.pk, "state": row.state, "currency": row.currency,
                 "amount": plain(row.amount, row.currency),
                 "settlement_id": row.of_settlement.version.settlement.settlement_id}
                for row in rows
            ],
            "settlements": [{"settlement_id": settlement} for settlement in sorted(settlements)],
            "blocked": {currency: plain(amount, currency) for currency, amount in blocked.items()},
        },
    )  # fmt: skip


def _month(case: Case) -> date:
    return date.fromisoformat(case.facts["month"])


def _headline(case: Case) -> str:
    count = len(case.facts["journals"])
    money = " and ".join(words(Decimal(amount), currency) for currency, amount in sorted(case.facts["amounts"].items()))
    wait = "1 journal of {} waits" if count == 1 else f"{count:,} journals of {{}} wait"
    return f"{_month(case):%B %Y} is locked, and {wait.format(money)} for it"


def _asked(case: Case) -> bool:
    locks = PeriodLock.objects.filter(entity=case.entity_id, month=_month(case), unlocked_at=None)
    return locks.filter(unlock_asked_by__isnull=False).exists()


def _run_post_later(case: Case, actor: User, cleaned: dict) -> str:
    moved = waiting.post_later(entity=case.entity, month=_month(case), reason=cleaned["reason"], actor=actor)
    count = len(moved)
    return f"{count:,} journal{' is' if count == 1 else 's are'} posted in {moved[0].period:%B %Y} now."


def _run_ask(case: Case, actor: User, cleaned: dict) -> str:
    closing.ask_to_unlock(entity=case.entity, month=_month(case), reason=cleaned["reason"], actor=actor)
    return f"Asked. Another person may unlock {_month(case):%B %Y} now."


def _run_unlock(case: Case, actor: User, cleaned: dict) -> str:
    closing.unlock(entity=case.entity, month=_month(case), actor=actor)
    return f"{_month(case):%B %Y} is unlocked."


POST_IN_OPEN_MONTH = Action(
    name="post-later",
    label="Post in the first open month",
    permission=POST_LATER,
    form=ReasonForm,
    preview=lambda case, actor, cleaned: waiting.preview_post_later(entity=case.entity, month=_month(case)),
    run=_run_post_later,
    clears=causes.MONTHS,
    template="cases/post_later_plan.html",
)
ASK_TO_UNLOCK = Action(
    name="ask-to-unlock",
    label="Ask to unlock the month",
    permission=LOCK_PERIODS,
    form=ReasonForm,
    preview=lambda case, actor, cleaned: closing.preview_ask(entity=case.entity, month=_month(case)),
    run=_run_ask,
    available=lambda case: not _asked(case),
)
UNLOCK = Action(
    name="unlock",
    label="Unlock the month",
    permission=CONFIRM_UNLOCK,
    form=NoForm,
    preview=lambda case, actor, cleaned: closing.preview_unlock(entity=case.entity, month=_month(case), actor=actor),
    run=_run_unlock,
    clears=causes.MONTHS,
    available=_asked,
)

PERIOD_CLOSED = register(ExceptionType(
    code="erp.period-closed",
    title="Journal waits for a locked month",
    team=Team.FINANCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=True,
    floor=Decimal(500),
    respond_within=timedelta(days=2),
    detect=closed_months,
    headline=_headline,
    panel="cases/period_closed.html",
    actions=(POST_IN_OPEN_MONTH, ASK_TO_UNLOCK, UNLOCK),
    runbook=Runbook(
        impact="The month is closed in the books, so nothing more of it is approved or exported. These journals wait.",
        steps=(
            "See why they came late: a settlement read after the lock, or one that a fee without an account had stopped.",
            "If the month's figures are reported already, post them in the first open month. That is the usual way.",
            "If the month must be complete, ask for it to be unlocked. Another person decides, and the month is locked again.",
        ),
        prevention="Lock a month once its last settlement is exported: Month close says when that is so.",
        escalate="To whoever signs the month's accounts, when the amount would change what was reported.",
    ),
))  # fmt: skip
