"""Finding an item by what people call it."""

from apps.catalog.models import Item, MappingPart
from apps.catalog.records import EAN_LENGTHS
from apps.core.errors import Refused
from apps.core.models import Entity

FEW = 2


def find_item(entity: Entity, text: str, *, field: str = "") -> Item:
    """The company's item with this number, else with this EAN, else the one item that a listing with this SKU is.

    Refused beside the form's `field` where there is none, or more than one.
    """
    wanted = text.strip()
    if not wanted:
        raise Refused("Name the item by its number, a SKU or an EAN.", field=field, code="no-item")
    items = Item.objects.filter(entity=entity)
    digits = wanted.lstrip("0")
    found = list(items.filter(code=wanted)[:FEW]) or list(items.filter(code__iexact=wanted)[:FEW])
    if not found and wanted.isascii() and wanted.isdigit() and digits:
        found = list(items.filter(ean__in={digits, *(digits.zfill(length) for length in EAN_LENGTHS)})[:FEW])
    if not found:
        parts = MappingPart.objects.filter(
            mapping__listing__connection__entity=entity, mapping__listing__sku=wanted, mapping__period__isempty=False
        )
        found = list(items.filter(mapped__in=parts).distinct()[:FEW])
    if not found:
        words = f"{entity.name} has no item with the number, SKU or EAN “{wanted}”."
        raise Refused(words, field=field, code="no-item")
    if len(found) > 1:
        words = f"“{wanted}” is more than one item: {found[0]} and {found[1]}. Name one by its number."
        raise Refused(words, field=field, code="several-items")
    return found[0]
