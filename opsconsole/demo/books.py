"""What finance did with the demo's books: September left and was locked, a fee moved afterwards, an account was closed."""

from datetime import date

from apps.core.models import Entity, User
from apps.exceptions.sweep import sweep_entity
from apps.ledger.models import Account, ExportBatch, Journal
from apps.settlements import closing
from apps.settlements.accounts import close_account
from apps.settlements.approval import approve
from apps.settlements.exports import export
from apps.settlements.models import FeeRule
from apps.settlements.rule_versions import change_rule
from opsconsole.demo.story import DE_3, UK_1, UK_2

SEPTEMBER = date(2026, 9, 1)


def keep_books(entity: Entity, *, priya: User, marta: User, ian: User) -> None:
    """Each step once: a load that broke off goes on where it stopped."""
    if not ExportBatch.objects.filter(entity=entity).exists():
        leaving = _journals(entity, UK_1.number) + _journals(entity, UK_2.number)
        export(journals=approve(journals=leaving, actor=marta), format=ExportBatch.Format.XERO, actor=marta)
    if not entity.locks.filter(month=SEPTEMBER).exists():
        closing.lock(entity=entity, month=SEPTEMBER, actor=marta)
    if drafts := [journal for journal in _journals(entity, DE_3.number) if journal.state == Journal.State.DRAFT]:
        approve(journals=drafts, actor=marta)
    moved = FeeRule.objects.in_force().filter(entity=entity, amount_description="GiftMessageFee", account__code="5190").first()
    if moved:
        change_rule(
            rule=moved,
            account=Account.objects.get(entity=entity, code="5300"),
            tax_class=moved.tax_class,
            since=None,
            reason="The auditor wants gift notes beside Amazon's other adjustments.",
            actor=priya,
        )
    liquidations = Account.objects.get(entity=entity, code="4040")
    if not liquidations.closed_at:
        close_account(account=liquidations, reason="We sell nothing to liquidators any more.", actor=ian)
    sweep_entity(entity)


def _journals(entity: Entity, settlement: str) -> list[Journal]:
    return list(Journal.objects.filter(entity=entity, of_settlement__version__settlement__settlement_id=settlement))
