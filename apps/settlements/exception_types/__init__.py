"""The exception types of settlements and the ledger, by what they are about."""

from apps.settlements.exception_types import accounts, chains, fees, files, orders, periods, taxes  # noqa: F401  register the types
