"""What waits for somebody: a change that takes a second person, and a bulk action that is checked and not begun."""

from decimal import Decimal

from django.db import transaction

from apps.core.models import Entity, User
from apps.core.operations import set_second_person
from apps.core.permissions import Team
from apps.integrations import jobs
from apps.ledger.models import Account
from apps.settlements.models import FeeRule
from apps.settlements.rule_deeds import CHANGE, NO_TAX
from apps.work import deeds
from apps.work.bulk.models import Bulk
from apps.work.bulk.operations import freeze
from apps.work.filters import CaseFilter
from apps.work.models import Proposal
from apps.work.proposals import propose

LIMIT = Decimal(10_000)  # above all that the demo's people do alone


@transaction.atomic
def ask_a_second_person(entity: Entity, *, priya: User, ian: User) -> None:
    """Priya would post Amazon's commission elsewhere, which is more than one person changes: Marta finds it on her day."""
    if Proposal.objects.filter(entity=entity).exists():
        return
    set_second_person(entity=entity, above=LIMIT, lines_above=None, reason="The auditors ask for four eyes.", actor=ian)
    rules = FeeRule.objects.in_force().filter(entity=entity, amount_type="ItemFees", amount_description="Commission")
    rule = rules.get()
    data = {
        "account": str(Account.objects.get(entity=entity, code="5190").pk),
        "tax": str(rule.tax_class_id or NO_TAX),
        "since": "",
        "reason": "The board wants Amazon's commission beside its other fees.",
    }
    plan = deeds.preview(CHANGE, rule, priya, data).plan
    propose(kind="rule", record=rule, name=CHANGE.name, actor=priya, data=data, digest=plan.digest)


def check_a_bulk(entity: Entity, *, marta: User) -> None:
    """Marta would take all of finance, and has not pressed the button yet."""
    if Bulk.objects.filter(made_by=marta).exists():
        return
    team = CaseFilter(team=Team.FINANCE)
    bulk = freeze(user=marta, action="claim", data={}, entity_ids=[entity.pk], filter=team)
    jobs.run_here(bulk.job)
