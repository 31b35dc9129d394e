"""Money of an order that we do not hold: its sale is in the payout, and nobody recorded it."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from django.db import connection

from apps.core.money import plain
from apps.core.permissions import Team
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import ExceptionType, Finding, Runbook, Scope, register

FEED = "amazon.orders"
ORDERS_NAMED = 25
SETTLES_WITHIN = timedelta(days=45)
"""An order is shipped, and so settled, within this of being bought; pre-orders and their like take longer and do not count."""

# Only sales: a refund may be of an order from before we began. Only connections that bring orders, once they have brought some.
UNKNOWN = """
    WITH began AS (
        SELECT source.connection_id, (
            SELECT min(purchased_at) FROM orders_order
            WHERE entity_id = %(entity)s AND connection_id = source.connection_id) AS at
        FROM integrations_source source JOIN integrations_connection place ON place.id = source.connection_id
        WHERE source.feed = %(feed)s AND source.proven_at IS NOT NULL AND place.entity_id = %(entity)s
    )
    SELECT settlement.settlement_id, settlement.currency, count(*),
           (array_agg(settled.order_id ORDER BY settled.order_id))[1:%(named)s],
           sum(money.lines)::bigint, sum(money.amount), min(money.first)
    FROM began
    JOIN settlements_settlement settlement ON settlement.connection_id = began.connection_id
    JOIN settlements_settlementversion version ON version.settlement_id = settlement.id AND version.state = 'taken'
    JOIN settlements_settledorder settled ON settled.version_id = version.id
    LEFT JOIN orders_order known ON known.connection_id = began.connection_id AND known.order_id = settled.order_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS lines, sum(abs(line.amount)) AS amount, min(line.posted_at) AS first
        FROM settlements_settlementline line JOIN settlements_feesignature fee ON fee.id = line.signature_id
        WHERE line.version_id = version.id AND line.line BETWEEN settled.first_line AND settled.last_line
          AND line.order_id = settled.order_id AND fee.transaction_type = 'Order'
    ) money
    WHERE known.id IS NULL AND money.first >= began.at + %(settles_within)s
      AND (%(subjects)s::text[] IS NULL OR settlement.settlement_id = ANY(%(subjects)s))
    GROUP BY 1, 2
"""


def unknown_orders(scope: Scope) -> Iterator[Finding]:
    """One finding for each settlement that pays for orders we do not hold."""
    asked = {
        "feed": FEED,
        "entity": scope.entity.pk,
        "settles_within": SETTLES_WITHIN,
        "named": ORDERS_NAMED,
        "subjects": None if scope.subjects is None else sorted(scope.subjects),
    }
    with connection.cursor() as cursor:
        cursor.execute(UNKNOWN, asked)
        for settlement, currency, orders, named, lines, amount, first in cursor.fetchall():
            yield Finding(
                subject=settlement,
                currency=currency,
                stake=amount,
                lines=lines,
                facts={
                    "settlement_id": settlement,
                    "count": orders,
                    "orders": named,
                    "first": first.date().isoformat(),
                    "amount": plain(amount, currency),
                },
            )


def _headline(case: Case) -> str:
    count = case.facts["count"]
    return f"Settlement {case.subject} pays for {count:,} order{'' if count == 1 else 's'} that we do not hold"


ORDER_UNKNOWN = register(ExceptionType(
    code="settlement.order-unknown",
    title="Settled order that we do not hold",
    team=Team.FINANCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=False,
    floor=Decimal(20),
    respond_within=timedelta(days=5),
    detect=unknown_orders,
    headline=_headline,
    panel="cases/unknown_orders.html",
    runbook=Runbook(
        impact="The payout is booked in full, but no sales record stands behind these lines.",
        steps=(
            "Look at the order ids: those that begin with S are multi-channel orders, and no sales of Amazon's.",
            "See on the orders' sync runs whether a run failed or was paused when they were bought.",
            "Pull the orders again. The case ends by itself when they are here.",
        ),
        prevention="The orders' feed is never paused for longer than Amazon keeps its orders back.",
        escalate="To operations, when the feed is green and the orders still do not come.",
    ),
))  # fmt: skip
