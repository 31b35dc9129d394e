"""stock.partition-violation: Amazon ships a listing for which a quantity of our own stock is still set (domain.md 2.3)."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count

from apps.catalog.models import Channel, Listing
from apps.core.errors import Refused
from apps.core.models import User
from apps.core.permissions import KEEP_STOCK, Team
from apps.exceptions.forms import ReasonForm
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import Action, ExceptionType, Finding, Plan, Runbook, Scope, digest, register
from apps.integrations.marketplaces import name_of
from apps.integrations.models import Command
from apps.inventory.models import Buffer
from apps.inventory.operations import PUSH, buffer_in_force, drop_pushes, remove_buffer, set_buffer

CODE = "stock.partition-violation"


def flipped_listings(scope: Scope) -> Iterator[Finding]:
    """Listings that Amazon ships now, with a buffer of the time when we did, or a quantity that waits to be sent."""
    entity = scope.entity
    set_then = Buffer.objects.in_force().filter(entity=entity, channel=Channel.MFN, listing__channel=Channel.AFN)
    buffers = {buffer.listing_id: buffer for buffer in set_then}
    pushes = Command.objects.filter(entity=entity, kind=PUSH, state=Command.State.WAITING)
    waiting = dict(pushes.order_by().values_list("subject").annotate(Count("pk")))
    about = {int(subject.removeprefix("listing:")) for subject in waiting} | buffers.keys()
    listings = Listing.objects.filter(pk__in=about, channel=Channel.AFN, connection__entity=entity)
    for listing in listings.select_related("connection").order_by("pk"):
        buffer, sending = buffers.get(listing.pk), waiting.get(f"listing:{listing.pk}", 0)
        yield Finding(
            subject=f"{listing.connection_id}/{listing.marketplace}/{listing.sku}",
            currency=entity.base_currency,
            lines=sending + bool(buffer),
            facts={
                "listing": listing.pk,
                "sku": listing.sku,
                "title": listing.title,
                "connection": listing.connection.name,
                "connection_id": listing.connection_id,
                "marketplace": name_of(listing.marketplace),
                "buffer": str(buffer) if buffer else "",
                "set_at": buffer.set_at.isoformat() if buffer else "",
                "pushes": sending,
            },
        )


def _headline(case: Case) -> str:
    facts = case.facts
    parts = [f"a buffer of {facts['buffer']}"] if facts["buffer"] else []
    if facts["pushes"]:
        parts.append(f"{facts['pushes']} quantit{'y' if facts['pushes'] == 1 else 'ies'} to be sent")
    return f"{facts['sku']} is shipped by Amazon now, and {' and '.join(parts)} of our own stock {_are(facts)} still set"


def _are(facts: dict[str, Any]) -> str:
    return "is" if facts["pushes"] + bool(facts["buffer"]) == 1 else "are"


def _listing(case: Case) -> Listing:
    return Listing.objects.select_related("connection__entity").get(pk=case.facts["listing"])


def _plan(case: Case, effect: str, says: str) -> Plan:
    pushes = case.facts["pushes"]
    then = f" Quantities that wait to be sent: {pushes}, all cancelled." if pushes else ""
    return Plan(effect=effect, says=says + then, digest=digest(case.facts))


def _preview_remove(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
    buffer = case.facts["buffer"]
    if not buffer:
        return _plan(case, "Send nothing", "No quantity of this listing leaves.")
    general = buffer_in_force(case.entity, None)
    held = f"what the company keeps back holds for it ({general})" if general else "nothing of it is kept back"
    return _plan(case, "Remove the buffer", f"The buffer of {buffer} ends today: from then on {held}.")


def _run_remove(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    listing, reason = _listing(case), cleaned["reason"]
    buffer = buffer_in_force(case.entity, listing)
    if buffer and buffer.channel == Channel.MFN:
        remove_buffer(buffer=buffer, reason=reason, actor=actor)
    dropped = drop_pushes(listing=listing, reason=reason, actor=actor)
    return f"Nothing of our own stock is set for {listing} any more." + (f" {dropped} not sent." if dropped else "")


def _preview_keep(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
    return _plan(
        case,
        "Keep it of Amazon's stock",
        f"The same buffer, {case.facts['buffer']}, is set anew from today: of what Amazon can pick, for other channels.",
    )


def _run_keep(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    listing, reason = _listing(case), cleaned["reason"]
    buffer = buffer_in_force(case.entity, listing)
    if buffer is None:
        raise Refused("Its buffer was removed meanwhile. Nothing was changed.", code="no-change")
    kept = set_buffer(
        entity=case.entity, listing=listing, least=buffer.least, percent=buffer.percent, reason=reason, actor=actor
    )
    drop_pushes(listing=listing, reason=reason, actor=actor)
    return f"{listing}: {kept} of Amazon's stock."


REMOVE = Action(
    name="remove",
    label="Remove what is set",
    permission=KEEP_STOCK,
    form=ReasonForm,
    preview=_preview_remove,
    run=_run_remove,
    clears=(CODE,),
)
KEEP = Action(
    name="keep",
    label="Keep the buffer, of Amazon's stock",
    permission=KEEP_STOCK,
    form=ReasonForm,
    preview=_preview_keep,
    run=_run_keep,
    clears=(CODE,),
    available=lambda case: bool(case.facts["buffer"]),
)

PARTITION_VIOLATION = register(ExceptionType(
    code=CODE,
    title="Our own stock is set for a listing that Amazon ships",
    counts="setting",
    team=Team.ECOMMERCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=True,
    floor=Decimal(100),
    respond_within=timedelta(hours=8),
    detect=flipped_listings,
    headline=_headline,
    panel="cases/stock_partition.html",
    actions=(REMOVE, KEEP),
    runbook=Runbook(
        impact="A quantity sent for it would turn the listing into one that we ship: buyers order what we do not have, and "
        "Amazon's units are stranded. The console refuses to send one.",
        steps=(
            "Ask who changed the listing to Fulfilled by Amazon, and whether that was meant.",
            "If it was: remove the buffer, or keep it of Amazon's stock, and give our own stock a SKU of its own.",
            "If it was not: change it back in Seller Central. The case ends when the listings are read again.",
        ),
        prevention="Separate SKUs for what Amazon ships and what we ship.",
        escalate="To Amazon's seller support when a listing changes without anybody having done it.",
    ),
))  # fmt: skip
