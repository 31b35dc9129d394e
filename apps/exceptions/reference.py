"""What a case is worth in its company's base currency. Serves ranking only, never a journal."""

from zoneinfo import ZoneInfo

from django.utils import timezone

from apps.core.models import Entity
from apps.exceptions import rules
from apps.exceptions.models import Case


def rates_of(entity: Entity) -> rules.Rates:
    """All reference rates of a company, in one query."""
    by_currency: dict[str, list] = {}
    for currency, since, rate in entity.rates.order_by("currency", "since").values_list("currency", "since", "rate"):
        by_currency.setdefault(currency, []).append((since, rate))
    return rules.Rates(base=entity.base_currency, by_currency=by_currency)


def score_words(case: Case) -> str:
    """Why the case stands where it stands in the queue, its deadline in the company's zone."""
    return rules.score_words(
        stake=case.stake,
        currency=case.currency,
        worth=case.worth,
        base=case.entity.base_currency,
        rate_known=case.rate_known,
        floor=case.kind.floor,
        due_at=case.due_at.astimezone(ZoneInfo(case.entity.zone)),
        now=timezone.now(),
    )
