"""The test database as it was before a test: emptied by deleting what the test wrote.

Django's own way truncates every table, which takes as long for an empty one as for a full one, and then makes the content
types and permissions again.
"""

from functools import cache

from django.db import connections, transaction

KEPT = {"django_content_type", "auth_permission"}  # they follow from the code
LARGE = 1 << 19  # bytes of a table; a row that is deleted costs its foreign keys' checks
GUARDED = "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"


def empty_tables() -> None:
    """Waits for whoever still writes, as TRUNCATE does."""
    tables, guarded = _tables(), _guarded()
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute(f"LOCK TABLE {', '.join(tables)} IN EXCLUSIVE MODE")
        rows = (f"SELECT '{table}', pg_relation_size('{table}') WHERE EXISTS (SELECT FROM {table})" for table in tables)
        cursor.execute(" UNION ALL ".join(rows))
        written = dict(cursor.fetchall())
        if any(size > LARGE for size in written.values()):
            cursor.execute(f"TRUNCATE {', '.join(tables)}")
            return
        stopped = [table for table in written if table in guarded]
        changes = [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in stopped]
        changes += [f"DELETE FROM {table}" for table in written]
        changes += ["SET CONSTRAINTS ALL IMMEDIATE"]
        changes += [f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in stopped]
        cursor.execute("; ".join(changes))


@cache
def _tables() -> list[str]:
    return sorted(set(connections["owner"].introspection.django_table_names(only_existing=True)) - KEPT)


@cache
def _guarded() -> set[str]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(GUARDED)
        return {table for (table,) in cursor.fetchall()}
