"""What becomes of what a person had when they stop working in a company: the layers above say so here, core knows none of it.

A handler runs in the transaction that takes the roles away or switches the account off: what it raises undoes that too.
"""

from collections.abc import Callable, Collection

from apps.core.models import Entity, User

Handler = Callable[..., None]
HANDLERS: list[Handler] = []


def when_somebody_leaves(handler: Handler) -> Handler:
    """Have `handler(person=, entities=, actor=)` called whenever the person's roles in the companies become fewer."""
    HANDLERS.append(handler)
    return handler


def tell(*, person: User, entities: Collection[Entity], actor: User) -> None:
    for handler in HANDLERS:
        handler(person=person, entities=entities, actor=actor)
