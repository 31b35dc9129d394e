"""Which item a listing is, as tests ask."""

from datetime import date

from apps.catalog.models import Item, Listing
from apps.catalog.operations import mapping_on, parts_of


def item_of(listing: Listing, day: date) -> list[tuple[Item, int]]:
    """The items in one sold unit on a day, by code; empty where nobody has mapped it."""
    mapping = mapping_on(listing, day)
    return parts_of(mapping) if mapping else []
