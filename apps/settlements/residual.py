"""Single lines that would explain why a file does not tie: one too many, one twice, one with the wrong sign. Evidence only."""

from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from apps.exceptions.models import Case
from apps.settlements.models import SettlementVersion

SHOWN = 6

SUSPECTS = """
    SELECT line, amount, amount <> %(gap)s AS flipped,
           row_number() OVER (PARTITION BY signature_id, order_id, order_item_code, sku, posted_at, amount ORDER BY line) > 1
    FROM settlements_settlementline
    WHERE version_id = %(version)s AND amount IN (%(gap)s, %(half)s)
    ORDER BY 4 DESC, 3 DESC, line
    LIMIT %(shown)s
"""


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A line, and what makes the file add up, in words."""

    line: int
    amount: Decimal
    words: str


def suspects(case: Case) -> list[Suspect]:
    """The likeliest first: a line that stands twice, one with the other sign, one that may not belong."""
    version = SettlementVersion.objects.filter(
        settlement__settlement_id=case.subject, number=case.facts["version"], state=SettlementVersion.State.HELD
    ).first()
    if version is None:
        return []
    gap = version.difference
    with connection.cursor() as cursor:
        cursor.execute(SUSPECTS, {"version": version.pk, "gap": gap, "half": gap / 2, "shown": SHOWN})
        return [
            Suspect(line=line, amount=amount, words=_words(flipped, twice)) for line, amount, flipped, twice in cursor.fetchall()
        ]


def _words(flipped: bool, twice: bool) -> str:
    if flipped:
        return "With the other sign the file adds up."
    return "Stands twice. Without it the file adds up." if twice else "Without it the file adds up."
