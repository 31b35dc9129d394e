"""The exception types of background work and of connections, by what they are about."""

from apps.integrations.exception_types import connections, feeds, records, stuck  # noqa: F401  register the types
