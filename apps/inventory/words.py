"""How people call Amazon's figures, what they are called in its API, and whether they can be sold. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`colour` is the class of the key beside it; `sells` is empty for yes."""

    name: str
    field: str
    colour: str = ""
    sells: str = "No"


FIGURES = {
    "fulfillable": Figure("Can be picked now", "fulfillableQuantity", "a", ""),
    "pending_customer_orders": Figure("For customer orders", "pendingCustomerOrderQuantity", "b", "No, promised"),
    "pending_transshipment": Figure("Moving between centres", "pendingTransshipmentQuantity", "b", "No, not yet"),
    "fc_processing": Figure("Being processed", "fcProcessingQuantity", "b", "No, not yet"),
    "reserved": Figure("Reserved", "totalReservedQuantity", "b", "No, not yet"),
    "unfulfillable": Figure("Unsellable", "totalUnfulfillableQuantity", "c"),
    "customer_damaged": Figure("Damaged by customers", "customerDamagedQuantity", "c"),
    "warehouse_damaged": Figure("Damaged at Amazon", "warehouseDamagedQuantity", "c"),
    "distributor_damaged": Figure("Damaged by the distributor", "distributorDamagedQuantity", "c"),
    "carrier_damaged": Figure("Damaged by carriers", "carrierDamagedQuantity", "c"),
    "defective": Figure("Defective", "defectiveQuantity", "c"),
    "expired": Figure("Expired", "expiredQuantity", "c"),
    "researching": Figure("Being looked for", "totalResearchingQuantity", "d"),
    "researching_short": Figure("Looked for, up to 10 days", "researchingQuantityInShortTerm", "d"),
    "researching_mid": Figure("Looked for, 11 to 20 days", "researchingQuantityInMidTerm", "d"),
    "researching_long": Figure("Looked for, 21 days or longer", "researchingQuantityInLongTerm", "d"),
    "inbound_working": Figure("Announced, not shipped", "inboundWorkingQuantity", "d"),
    "inbound_shipped": Figure("On the way to Amazon", "inboundShippedQuantity", "d"),
    "inbound_receiving": Figure("Shipped, not yet received", "inboundReceivingQuantity", "d"),
    "total": Figure("Total, as Amazon counts it", "totalQuantity", "", "No: it holds all of the above"),
    "future_supply_reserved": Figure("Sold of future supply", "reservedFutureSupplyQuantity", "", "No, promised"),
    "future_supply_buyable": Figure("Future supply", "futureSupplyBuyableQuantity", "", "On Amazon alone"),
}


def name_of(figure: str) -> str:
    return FIGURES[figure].name
