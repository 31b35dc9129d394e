"""The changes of a reserve chain as deeds of its own page."""

from apps.core.permissions import KEEP_CHAINS
from apps.settlements import chain_forms as changes
from apps.settlements import chains as reserve
from apps.settlements.chain_forms import Change
from apps.work.deeds import Deed


def _deed(change: Change) -> Deed:
    return Deed(
        name=change.name,
        label=change.label,
        permission=KEEP_CHAINS,
        form=change.form,
        preview=change.preview,
        run=change.run,
        clears=reserve.TYPES,
    )


CONFIRM, OPENING, MOVE, END = (
    _deed(change) for change in (changes.CONFIRM, changes.OPENING, changes.MOVE, changes.END)
)
DEEDS = {deed.name: deed for deed in (CONFIRM, OPENING, MOVE, END)}
