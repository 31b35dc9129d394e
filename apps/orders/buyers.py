"""Who bought: shown whole to those who may read buyers, masked to the others, and purged when it is not needed any more.

Which fields of a record are personal is in apps.orders.personal. They are kept in `Buyer` alone.
"""

from dataclasses import dataclass

from django.db import connection, transaction

from apps.core.keeping import PURGES
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import READ_BUYERS
from apps.orders import statements
from apps.orders.models import PURGE_AFTER, Buyer, Order
from apps.orders.personal import HIDDEN, area, initials
from apps.orders.records import ADDRESS_PARTS


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A buyer as one person sees them. `masked`: this person's role reads initials and an area alone."""

    name: str
    email: str
    phone: str
    address: tuple[str, ...]
    masked: bool


def shown_to(person: User, order: Order) -> Shown | None:
    """None where nobody is kept: purged, or never sent."""
    buyer = Buyer.objects.filter(order=order).first()
    if buyer is None:
        return None
    if person.may(READ_BUYERS, order.entity_id):
        lines = tuple(buyer.address[part] for part in ADDRESS_PARTS if buyer.address.get(part))
        return Shown(name=buyer.name, email=buyer.email, phone=buyer.phone, address=lines, masked=False)
    return Shown(
        name=initials(buyer.name),
        email=HIDDEN if buyer.email else "",
        phone=HIDDEN if buyer.phone else "",
        address=(area(buyer.address),) if area(buyer.address) else (),
        masked=True,
    )


@transaction.atomic
def purge() -> dict[int, int]:
    """Delete the buyers whose orders were delivered, or ended, longer ago than their company keeps them. {entity: rows}.

    An order that nobody said was delivered counts from its last change. Orders, lines and journals stay whole.
    """
    with connection.cursor() as cursor:
        cursor.execute(statements.PURGE, {"purge_after": PURGE_AFTER})
        purged = dict(cursor.fetchall())
    AuditEntry.objects.record_all(
        AuditEntry(
            actor=None,
            actor_name="opsconsole",
            entity_id=entity,
            verb="buyers.purged",
            subject=f"entity:{entity}",
            after={"buyers": rows},
            reason="Their orders were delivered longer ago than the company keeps buyers.",
        )
        for entity, rows in purged.items()
    )
    return purged


PURGES["buyers"] = purge


def due(entity: Entity, days: int) -> int:
    """Buyers of the company that a purge now would delete if it kept them for so many days."""
    with connection.cursor() as cursor:
        cursor.execute(statements.DUE, {"entity": entity.pk, "days": days})
        return cursor.fetchone()[0]
