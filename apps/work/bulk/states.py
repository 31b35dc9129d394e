"""Where a case stands, as a bulk keeps it of each that it moves: all that a move may change, without what is empty."""

from collections.abc import Mapping

STATE = {  # column of a case -> its type
    "state": "text",
    "team": "text",
    "claimed_by_id": "bigint",
    "claimed_until": "timestamptz",
    "assigned_to_id": "bigint",
    "snoozed_until": "timestamptz",
    "snoozed_above": "numeric(18, 4)",
    "snoozed_for_run": "timestamptz",
    "ended_at": "timestamptz",
    "ended_by_id": "bigint",
    "ending": "jsonb",
}


def state_of(instead: Mapping[str, str] | None = None) -> str:
    """SQL over c, the case: where it stands, or would with other values in these columns."""
    values = {name: f"c.{name}" for name in STATE} | dict(instead or {})
    return "jsonb_strip_nulls(jsonb_build_object({}))".format(", ".join(f"'{name}', {values[name]}" for name in STATE))


def taken_from(kept: str) -> str:
    """SQL that sets each column as it is kept in this jsonb."""
    read = {name: f"({kept} ->> '{name}')::{kind}" for name, kind in STATE.items()}
    return ", ".join(f"{name} = {value}" for name, value in read.items())
