"""Whose mapping is in a journal: they do not approve it. What a chart brought is nobody's."""

from collections import defaultdict
from collections.abc import Iterable

from django.db import connection

from apps.core.models import User
from apps.ledger.models import Journal

# The roll-ups of a journal's month, as the builder cuts them: what was posted after the settlement's end belongs to its end.
MADE = """
    WITH cell AS (
        SELECT DISTINCT booked.journal_id, rollup.signature_id, rollup.day, rollup.leg, rule.source, rule.made_by_id,
               rule.account_id, rule.tax_class_id
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
    ORDER BY did
"""


def makers(journals: Iterable[Journal]) -> dict[int, dict[User, list[str]]]:
    """Journal id -> who changed a mapping in it -> what they did ("mapped Refund / ItemFees / Return to 5110 FBA fees")."""
    with connection.cursor() as cursor:
        cursor.execute(MADE, {"journals": [journal.pk for journal in journals]})
        made = cursor.fetchall()
    people = User.objects.in_bulk({person for _, person, _ in made})
    found: dict[int, dict[User, list[str]]] = defaultdict(lambda: defaultdict(list))
    for journal, person, did in made:
        found[journal][people[person]].append(did)
    return {journal: dict(by_person) for journal, by_person in found.items()}
