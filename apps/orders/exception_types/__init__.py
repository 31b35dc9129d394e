"""The exception types of orders, by what they are about."""

from apps.orders.exception_types import channels, late, refused, skus  # noqa: F401  register the types
