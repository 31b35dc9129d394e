"""What tests of journals begin with: settlements that were read, a fee that nobody has mapped, a month that is locked."""

from datetime import date

from apps.core.models import Entity, User
from apps.integrations.models import Connection
from apps.ledger.models import Account, Journal, PeriodLock
from apps.settlements.models import FeeRule
from apps.settlements.operations import map_fee
from tests.settlements.files import SALE, File, line
from tests.settlements.take import take

RETURN_FEE = line("-4.20", amount_type="ItemFees", amount_description="NewReturnFee")
SHIPPED = line("-12.00", amount_type="ItemFees", amount_description="FBAPerUnitFulfillmentFee")
NOVEMBER = "03.11.2026"
LATER = line("50.00", posted_date=NOVEMBER, posted_date_time=f"{NOVEMBER} 12:00:00 UTC")


def settle(place: Connection, settlement_id: str, *lines) -> list[Journal]:
    """The journals of a settlement that was read: one, or two with a line of November."""
    november = any(row["posted-date"] == NOVEMBER for row in lines)
    end = "07.11.2026 00:00:00 UTC" if november else "31.10.2026 00:00:00 UTC"
    take(place, File(settlement_id=settlement_id, lines=(*SALE, *lines), end=end))
    return list(Journal.objects.filter(key__startswith=f"stl:{settlement_id}").order_by("key"))


def map_the_fee(
    entity: Entity, actor: User, *, since: date = date(2026, 10, 1), code: str = "5110", marketplace: str = ""
) -> FeeRule:
    pattern = {"transaction_type": "Order", "amount_type": "ItemFees", "amount_description": "NewReturnFee"}
    return map_fee(
        entity=entity,
        pattern=pattern | {"marketplace": marketplace, "treatment": ""},
        since=since,
        account=Account.objects.get(entity=entity, code=code),
        tax_class=None,
        reason="New fee",
        actor=actor,
    )


def lock(entity: Entity, month: date, by: User) -> PeriodLock:
    return PeriodLock.objects.create(entity=entity, month=month, locked_by=by)
