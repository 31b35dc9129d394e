"""The exception types of stock, by what they are about."""

from apps.inventory.exception_types import identities, partition, snapshots  # noqa: F401  register the types
