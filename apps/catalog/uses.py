"""What needs to know which item a SKU is. Orders ask for it as they wait; every other domain declares its use of listings."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Use:
    """`statement` is SQL that gives (listing_id, count, currency, amount) of the listings in `unmapped` (listing_id), which are
    those without an item of the company %(entity)s; any number of rows. `count` is of `unit`s, and currency and amount are what
    they are worth, or NULL.

    `asks`: somebody waits for the item of each of these SKUs. Without it they only count, beside what waits.
    """

    name: str
    unit: str
    statement: str
    asks: bool

    def counted(self, count: int) -> str:
        return f"{count:,} {self.unit}{'' if count == 1 else 's'}"


USES: dict[str, Use] = {}


def register_use(use: Use) -> Use:
    """A name registered twice is a mistake of ours and stops the start."""
    if use.name in USES:
        raise ValueError(f"the use {use.name} of listings is registered twice")
    USES[use.name] = use
    return use
