"""Whose mapping is in a journal: they do not approve it. What a chart brought is nobody's."""

from collections import defaultdict
from collections.abc import Collection, Iterator

from django.db import connection

from apps.core.models import User
from apps.ledger.models import Journal
from apps.settlements.models import FeeRule, FeeSignature
from apps.settlements.rules import Signature, exactness, matches

# The roll-ups of a journal's month, as the builder cuts them: what was posted after the settlement's end belongs to its end.
CELL = """
    WITH cell AS (
        SELECT DISTINCT booked.journal_id, rollup.signature_id, rollup.day, rollup.leg, rule.id AS rule_id, rule.source,
               rule.made_by_id, rule.account_id, rule.tax_class_id
        FROM settlements_settlementjournal booked
        JOIN settlements_settlementversion version ON version.id = booked.version_id
        JOIN settlements_settlement settlement ON settlement.id = version.settlement_id
        JOIN core_entity entity ON entity.id = settlement.entity_id
        JOIN settlements_rollup rollup ON rollup.version_id = version.id AND booked.month
             = date_trunc('month', least(rollup.day, (settlement.end_at AT TIME ZONE entity.zone)::date))::date
        JOIN settlements_resolution resolution
             ON resolution.signature_id = rollup.signature_id AND resolution.period @> rollup.day
        JOIN settlements_feerule rule ON rule.id = resolution.rule_id
        WHERE booked.journal_id = ANY(%(journals)s) AND EXISTS (
            SELECT FROM settlements_journalpart part JOIN ledger_journalline line ON line.id = part.journal_line_id
            WHERE line.journal_id = booked.journal_id AND part.signature_id = rollup.signature_id)
    )
"""
MAPPED = f"{CELL} SELECT DISTINCT journal_id, signature_id, rule_id FROM cell"
MADE = f"""{CELL}
    SELECT cell.journal_id, cell.made_by_id, 'mapped ' || concat_ws(' / ', signature.transaction_type,
           signature.amount_type, signature.amount_description) || ' to ' || account.code || ' ' || account.name AS did
    FROM cell JOIN settlements_feesignature signature ON signature.id = cell.signature_id
    JOIN ledger_account account ON account.id = cell.account_id
    WHERE cell.source = 'person'
    UNION
    SELECT cell.journal_id, tax.made_by_id, 'chose ' || code.name || ' for ' || class.name || ', ' || tax.leg
    FROM cell JOIN ledger_taxclass class ON class.id = cell.tax_class_id
    JOIN ledger_taxrule tax ON tax.tax_class_id = class.id AND tax.period @> cell.day AND tax.made_by_id IS NOT NULL
    JOIN ledger_taxcode code ON code.id = tax.tax_code_id
    WHERE tax.leg = coalesce(nullif(cell.leg, ''), class.default_leg) OR tax.leg = '*' AND NOT EXISTS (
        SELECT FROM ledger_taxrule own WHERE own.tax_class_id = class.id AND own.period @> cell.day
        AND own.leg = coalesce(nullif(cell.leg, ''), class.default_leg))
"""


def makers(journals: Collection[Journal]) -> dict[int, dict[User, list[str]]]:
    """Journal id -> who changed a mapping in it -> what they did ("mapped Refund / ItemFees / Return to 5110 FBA fees")."""
    made = {*_rows(MADE, journals), *_undone(journals)}
    people = User.objects.in_bulk({person for _, person, _ in made})
    found: dict[int, dict[User, list[str]]] = defaultdict(lambda: defaultdict(list))
    for journal, person, did in sorted(made, key=lambda each: each[2]):
        found[journal][people[person]].append(did)
    return {journal: dict(by_person) for journal, by_person in found.items()}


def _undone(journals: Collection[Journal]) -> Iterator[tuple[int, int, str]]:
    """What maps a fee only because a more exact rule was undone is mapped by who undid it, on whichever days that rule had."""
    undoings = list(FeeRule.objects.filter(entity__in={journal.entity_id for journal in journals}, account=None))
    mapped = _rows(MAPPED, journals) if undoings else []
    fees = FeeSignature.objects.in_bulk({fee for _, fee, _ in mapped})
    rules = FeeRule.objects.in_bulk({rule for _, _, rule in mapped})
    for journal, fee, rule in mapped:
        signature, winner = Signature.of(fees[fee]), Signature.of(rules[rule])
        for undoing in undoings:
            pattern = Signature.of(undoing)
            if matches(pattern, signature) and exactness(pattern) > exactness(winner):
                yield journal, undoing.made_by_id, f"undid the mapping of {undoing}"


def _rows(statement: str, journals: Collection[Journal]) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"journals": [journal.pk for journal in journals]})
        return cursor.fetchall()
