"""What people do to orders: say who ships them, take one back from the warehouse, set how long buyers are kept."""

from collections.abc import Collection

from django.db import transaction

from apps.catalog.models import Channel
from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import KEEP_ORDER_SETTINGS, WORK_ORDERS, check_may
from apps.integrations.models import Command
from apps.orders.models import Hold, Order, OrderSettings, Route
from apps.orders.routing import Settled, settle_orders, take_turn

LONGEST_KEPT = 365  # days after delivery
LONGEST_WARNING = 240  # hours


@transaction.atomic
def set_channel(*, entity: Entity, orders: Collection[int], channel: str, reason: str, actor: User) -> Settled:
    """Say who ships orders that are held because nobody does. A later record that says it counts for more."""
    check_may(actor, WORK_ORDERS, entity)
    _check_reason(reason)
    if channel not in Channel.values:
        raise Refused("Choose who ships them.", field="channel")
    take_turn(entity)
    held = Order.objects.filter(entity=entity, pk__in=list(orders), route=Route.HELD, holds__contains=[Hold.CHANNEL])
    rows = list(held.values_list("pk", "channel_said"))
    if not rows:
        raise Refused("None of these orders waits for who ships it any more. Nothing was changed.", code="not-held")
    ids = [pk for pk, _ in rows]
    Order.objects.filter(pk__in=ids).update(channel=channel, channel_set_by=actor)
    AuditEntry.objects.record_all(
        AuditEntry(
            actor=actor,
            actor_name=actor.name,
            entity=entity,
            verb="order.channel-set",
            subject=f"order:{pk}",
            before={"channel": "", "said": said},
            after={"channel": channel},
            reason=reason.strip(),
        )
        for pk, said in rows
    )
    return settle_orders(entity, orders=ids)


@transaction.atomic
def cancel_warehouse_order(*, order: Order, reason: str, actor: User) -> Command:
    """End the warehouse command of an order that Amazon ships.

    One that waits is never sent. One that was sent is only marked: the person says that the warehouse has stopped it.
    """
    check_may(actor, WORK_ORDERS, order.entity)
    _check_reason(reason)
    take_turn(order.entity)
    command = Command.objects.select_for_update().get(entity=order.entity, key=f"{Route.SHIP}:{order.pk}")
    if command.state not in (Command.State.WAITING, Command.State.SENT):
        raise Refused(f"It is {command.get_state_display().lower()} already. Nothing was changed.", code="not-live")
    before, command.state = command.state, Command.State.CANCELLED
    command.words = f"{actor.name}: {reason.strip()}"
    command.save(update_fields=["state", "words"])
    AuditEntry.objects.record(
        actor=actor,
        entity=order.entity,
        verb="order.warehouse-cancelled",
        subject=f"order:{order.pk}",
        before={"key": command.key, "state": before},
        after={"key": command.key, "state": command.state},
        reason=reason.strip(),
    )
    return command


@transaction.atomic
def set_order_settings(
    *, entity: Entity, purge_after: int, warn_before: int, reason: str, actor: User
) -> OrderSettings:
    """Set how many days after delivery buyers are purged, and how many hours before its ship-by an order counts as late."""
    check_may(actor, KEEP_ORDER_SETTINGS, entity)
    _check_reason(reason)
    if not 1 <= purge_after <= LONGEST_KEPT:
        raise Refused(f"Choose between 1 and {LONGEST_KEPT} days.", field="purge_after")
    if not 1 <= warn_before <= LONGEST_WARNING:
        raise Refused(f"Choose between 1 and {LONGEST_WARNING} hours.", field="warn_before")
    settings, _ = OrderSettings.objects.select_for_update().get_or_create(entity=entity)
    after = {"purge_after": purge_after, "warn_before": warn_before}
    before = {name: getattr(settings, name) for name in after}
    if before == after:
        raise Refused("That is how it is set already. Nothing was changed.", code="no-change")
    OrderSettings.objects.filter(pk=settings.pk).update(**after)
    AuditEntry.objects.record(
        actor=actor,
        entity=entity,
        verb="orders.settings",
        subject=f"entity:{entity.pk}",
        before=before,
        after=after,
        reason=reason.strip(),
    )
    settings.refresh_from_db()
    return settings


def settings_of(entity: Entity) -> OrderSettings:
    """As set, or as every company begins; then it is not stored."""
    return OrderSettings.objects.filter(entity=entity).first() or OrderSettings(entity=entity)


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Refused("Say why, for whoever reads this later.", field="reason")
