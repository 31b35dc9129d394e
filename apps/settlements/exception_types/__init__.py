"""The exception types of settlements and the ledger, by what they are about."""
