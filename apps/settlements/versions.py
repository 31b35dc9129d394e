"""Which version of a settlement counts: the first that ties is taken by itself, and of several a person chooses one."""

from django.db import transaction

from apps.core.errors import Refused
from apps.core.locks import wait_for
from apps.core.models import AuditEntry, User
from apps.core.money import exponent, plain, words
from apps.core.permissions import MAP_FEES, check_may
from apps.integrations.files import open_raw
from apps.settlements import chains, journals
from apps.settlements.models import Settlement, SettlementVersion
from apps.settlements.report import Report, describe
from apps.settlements.resolutions import lock_mapping

State = SettlementVersion.State
HEAD = ("currency", "start_at", "end_at", "deposit_at")  # what a settlement says as the version taken does


def lock_settlement(settlement_id: str) -> None:
    """Wait until nobody else reads a file of the settlement or chooses one, until the end of the transaction.

    Two files of one settlement come one after the other: the second sees what the first took.
    """
    wait_for(f"ingest of settlement {settlement_id}")


def head_of(version: SettlementVersion) -> Report:
    """What its file says of itself, read from the raw copy. Refused where that is not in the storage."""
    with open_raw(version.file) as stream:
        return describe(stream, exponent)


def take(version: SettlementVersion, head: Report) -> None:
    """Make it the one that counts, beside saving it: the others step back, and dates and currency are its own."""
    settlement = version.settlement
    settlement.versions.exclude(pk=version.pk).exclude(state=State.SUPERSEDED).update(state=State.SUPERSEDED)
    version.state = State.TAKEN
    for name in HEAD:
        setattr(settlement, name, getattr(head, name))
    settlement.save(update_fields=HEAD)


def why_not(version: SettlementVersion) -> str:
    """Why the version cannot be chosen, in words; empty where it can."""
    currency = version.settlement.currency
    if version.difference:
        return f"Its lines are {words(abs(version.difference), currency)} away from its payout, so it cannot be chosen."
    return ""


def check(version: SettlementVersion, head: Report) -> None:
    """Refused where the version cannot be the one that counts."""
    if words_of_fault := why_not(version):
        raise Refused(f"Version {version.number}: {words_of_fault}", field="version", code="does-not-tie")
    currency = version.settlement.currency
    if head.currency != currency and version.settlement.versions.filter(state=State.TAKEN).exists():
        raise Refused(
            f"Version {version.number} is in {head.currency}, the journals of this settlement are in {currency}. "
            "One of the files belongs to another settlement: ask Amazon which.",
            field="version",
            code="other-currency",
        )


@transaction.atomic
def choose_version(
    *, settlement: Settlement, version: SettlementVersion, reason: str, actor: User
) -> SettlementVersion:
    """Take this version; every other one that is taken or waits is superseded. Choosing the one that is taken keeps it.

    Journals that have not left are built from it; what was exported stays, and the difference becomes corrections.
    """
    check_may(actor, MAP_FEES, settlement.entity)
    if not reason.strip():
        raise Refused("Say why, for whoever reads this later.", field="reason")
    lock_settlement(settlement.settlement_id)
    versions = list(settlement.versions.select_related("file__connection", "settlement__entity"))
    chosen = next((found for found in versions if found.pk == version.pk), None)
    others = [found for found in versions if found != chosen and found.state != State.SUPERSEDED]
    if chosen is None or not others:
        raise Refused("There is no choice to make here: no other version waits.", field="version", code="no-choice")
    if chosen.state == State.SUPERSEDED:  # what came to be known of its orders since is not in it
        raise Refused(f"Version {chosen.number} was put away before.", field="version", code="superseded")
    head = head_of(chosen)
    check(chosen, head)
    before = next((found for found in versions if found.state == State.TAKEN), None)
    lock_mapping(settlement.entity_id)
    take(chosen, head)
    chosen.save(update_fields=["state"])
    journals.rebuild([chosen.pk], because=f"{actor.name} chose version {chosen.number} of settlement {settlement}.")
    chains.propose(chosen.file.connection)
    AuditEntry.objects.record(
        actor=actor,
        entity=settlement.entity,
        verb="version.chosen",
        subject=f"settlement:{settlement.settlement_id}",
        before={"version": before.number if before else None},
        after={
            "version": chosen.number,
            "file": chosen.file.name,
            "sha256": chosen.file.sha256,
            "total": plain(chosen.total, head.currency),
            "superseded": [found.number for found in others],
        },
        reason=reason.strip(),
    )
    return chosen
