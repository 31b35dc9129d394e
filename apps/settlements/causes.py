"""Which exception types a change may open or end, by what it changes. Whoever changes it sweeps them."""

JOURNALS = (
    "settlement.fee-unmapped",
    "ledger.tax-code-unmapped",
    "settlement.facilitator-not-zero",
    "erp.period-closed",
    "ledger.account-missing",
)
"""Journals were built anew: the mapping changed, or tax, or legs."""

MONTHS = ("erp.period-closed", "ledger.account-missing")
"""A month was locked or unlocked, or a journal moved to another month, or left, or came back."""
