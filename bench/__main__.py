import json
import os
import sys

from bench import bulk, database, imports, mapping, orders, quarantine, queue, search, settlement
from bench.figures import Row, Skipped, table

# Name of a row -> the measurement that yields it. One measurement may yield several rows.
MEASUREMENTS = {
    "settlement": settlement.measure,
    "settlement-memory": settlement.measure,
    "queue": queue.measure,
    "search": search.measure,
    "mapping": mapping.measure,
    "correction": mapping.measure,
    "orders": orders.measure,
    "replay": orders.measure,
    "quarantine": quarantine.measure,
    "waiting": quarantine.measure,
    "import": imports.measure,
    "apply": imports.measure,
    "bulk": bulk.measure,
    "bulk-queue": bulk.measure,
}


def main() -> int:
    wanted = [name for name in os.environ.get("ROWS", "").split(",") if name] or list(MEASUREMENTS)
    unknown = [name for name in wanted if name not in MEASUREMENTS]
    if unknown:
        print(f"There is no row {', '.join(unknown)}. The rows are {', '.join(MEASUREMENTS)}.", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for measure in dict.fromkeys(MEASUREMENTS[name] for name in wanted):
        try:
            with database.fresh() as urls:
                rows += [row for row in measure(urls) if row.name in wanted]
        except Skipped as skipped:
            print(f"Not measured: {skipped}")
    print(table(rows))
    print(json.dumps({row.name: {"ratio": round(row.ratio, 3), "limit": row.limit} for row in rows}))
    return 0 if all(row.ratio <= row.limit for row in rows) else 1


sys.exit(main())
