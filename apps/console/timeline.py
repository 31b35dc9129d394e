"""What happened to a case, a journal or a batch, from the audit trail: a sentence an entry, and what changed under it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.utils import timezone

from apps.console import words
from apps.core import money
from apps.core.models import AuditEntry, Entity
from apps.core.permissions import Role, Team
from apps.exceptions.models import Case

NEWEST = 100  # entries shown on the page; the audit list has them all


@dataclass(frozen=True)
class Happening:
    """`who` is empty where the system did it; the sentence then stands alone."""

    at: datetime
    who: str
    did: str
    more: str


def timeline(case: Case) -> list[Happening]:
    """The newest first."""
    return history(case.audit_subject, case.entity)


def history(subject: str, entity: Entity) -> list[Happening]:
    """What happened to anything of a company that the audit trail knows by this subject, the newest first."""
    zone = ZoneInfo(entity.zone)
    return [happening(entry, zone) for entry in AuditEntry.objects.about(subject).order_by("-id")[:NEWEST]]


def happening(entry: AuditEntry, zone: ZoneInfo) -> Happening:
    """One entry in words; a verb without a sentence of its own is told by its name."""
    tell = SENTENCES.get(entry.verb, _acted)
    did, more = tell(entry, zone)
    return Happening(entry.at, entry.actor_name if entry.actor_id else "", did, more)


def _opened(entry: AuditEntry, zone: ZoneInfo) -> tuple[str, str]:
    again = " The same cause was ended before." if entry.after.get("earlier") else ""
    weight = _weight(entry.after)
    return f"Opened by a sweep{weight and f': {weight}'}.{again}", ""


def _changed(entry: AuditEntry, zone: ZoneInfo) -> tuple[str, str]:
    grew = entry.after.get("lines", 0) >= entry.before.get("lines", 0)
    return (
        f"{'Grew' if grew else 'Shrank'} to {_weight(entry.after) or 'nothing'}.",
        f"Before: {_weight(entry.before) or 'nothing'}",
    )


def _ended(did: str, by_itself: str) -> Callable[[AuditEntry, ZoneInfo], tuple[str, str]]:
    def tell(entry: AuditEntry, zone: ZoneInfo) -> tuple[str, str]:
        return did if entry.actor_id else by_itself, entry.after.get("words", "")

    return tell


def _moved(did: str) -> Callable[[AuditEntry, ZoneInfo], tuple[str, str]]:
    return lambda entry, zone: (did, entry.reason)


def _claimed(entry: AuditEntry, zone: ZoneInfo) -> tuple[str, str]:
    return f"took the case, until {_clock(entry.after['claimed_until'], zone)}.", ""


def _assigned(entry: AuditEntry, zone: ZoneInfo) -> tuple[str, str]:
    was, now = entry.before["assigned_to"], entry.after["assigned_to"]
    if now == entry.actor_name:
        return "took it on.", f"Before: {was}" if was else ""
    return (f"gave it to {now}." if now else f"made it nobody’s; it was {was}’s."), f"Before: {was}" if was and now else ""


def _snoozed(entry: AuditEntry, zone: ZoneInfo) -> tuple[str, str]:
    if entry.after.get("snoozed_above"):
        amount = money.words(Decimal(entry.after["snoozed_above"]), entry.after["currency"])
        return f"snoozed it until more than {amount} is at stake, or until its deadline.", entry.reason
    if entry.after.get("snoozed_for_run"):
        return "snoozed it until the next run of its feed, or until its deadline.", entry.reason
    return f"snoozed it until {_clock(entry.after['snoozed_until'], zone)}.", entry.reason


def _handed_over(entry: AuditEntry, zone: ZoneInfo) -> tuple[str, str]:
    return f"handed it from {Team(entry.before['team']).label} to {Team(entry.after['team']).label}.", entry.reason


def _woken(entry: AuditEntry, zone: ZoneInfo) -> tuple[str, str]:
    return ("woke it." if entry.actor_id else entry.reason or "Open again."), ""


def _noted(entry: AuditEntry, zone: ZoneInfo) -> tuple[str, str]:
    return f"noted: “{entry.reason}”", ""


def _proposed(did: str) -> Callable[[AuditEntry, ZoneInfo], tuple[str, str]]:
    return lambda entry, zone: (did.format(**entry.after), entry.reason)


def _alerted(entry: AuditEntry, zone: ZoneInfo) -> tuple[str, str]:
    kind = entry.after["kind"]
    return f"{'Alert' if kind == 'At once' else kind} sent to {entry.after['to']}.", ""


def _viewed(did: str) -> Callable[[AuditEntry, ZoneInfo], tuple[str, str]]:
    def tell(entry: AuditEntry, zone: ZoneInfo) -> tuple[str, str]:
        name = (entry.after or entry.before)["name"]
        return did.format(name), entry.after.get("shows", "")

    return tell


def _in_batch(did: str) -> Callable[[AuditEntry, ZoneInfo], tuple[str, str]]:
    return lambda entry, zone: (did.format(entry.after["batch"]), "")


def _roles(did: str) -> Callable[[AuditEntry, ZoneInfo], tuple[str, str]]:
    def tell(entry: AuditEntry, zone: ZoneInfo) -> tuple[str, str]:
        before, after = (
            ", ".join(Role(role).label for role in seen["roles"]) or "none" for seen in (entry.before, entry.after)
        )
        begin = did if entry.actor_id else did.capitalize()
        return f"{begin} at {entry.entity.name}: {after}. Before: {before}.", entry.reason

    return tell


def _token(did: str) -> Callable[[AuditEntry, ZoneInfo], tuple[str, str]]:
    return lambda entry, zone: (f"{did} “{(entry.after or entry.before)['name']}”.", entry.reason)


def _day_set(entry: AuditEntry, zone: ZoneInfo) -> tuple[str, str]:
    day = datetime.fromisoformat(entry.after["day"])
    return f"made {day.day} {day:%b %Y} a day {'of work' if entry.after['works'] else 'off'}: {entry.after['name']}.", ""


def _shift_ended(entry: AuditEntry, zone: ZoneInfo) -> tuple[str, str]:
    return f"ended a shift of {entry.after['team']} and left a note to {entry.after['to']}.", entry.reason


def _acted(entry: AuditEntry, zone: ZoneInfo) -> tuple[str, str]:
    """An action on a case, or what happened to something else: "fee.mapped" is "Fee mapped."."""
    reason = entry.reason and f"Reason: {entry.reason}"
    if not entry.verb.startswith("case."):
        return f"{entry.verb.replace('.', ' ').replace('-', ' ').capitalize()}.", reason
    did = f"chose “{entry.after.get('action') or entry.verb.removeprefix('case.')}”."
    return did, " ".join(part for part in (entry.after.get("did", ""), reason) if part)


SENTENCES: dict[str, Callable[[AuditEntry, ZoneInfo], tuple[str, str]]] = {
    "case.opened": _opened,
    "case.changed": _changed,
    "case.resolved": _ended("resolved it.", "Resolved."),
    "case.cleared": _ended("cleared it.", "Cleared: a sweep finds it no more."),
    "case.dismissed": _moved("dismissed it."),
    "case.assigned": _assigned,
    "case.claimed": _claimed,
    "case.released": _moved("put it back."),
    "case.snoozed": _snoozed,
    "case.woken": _woken,
    "case.handed-over": _handed_over,
    "case.put-back": _moved("put it back where it stood."),
    "case.returned": _moved("gave it back to the team."),
    "case.noted": _noted,
    "change.proposed": _proposed("asked a second person: {planned}"),
    "change.approved": _proposed("approved what {asked by} asked for: {planned}"),
    "change.declined": _proposed("declined what {asked by} asked for: {planned}"),
    "change.withdrawn": _proposed("withdrew what waited for a second person: {planned}"),
    "change.lapsed": _proposed("What {asked by} asked for lapsed: {planned}"),
    "person.added": _roles("gave roles"),
    "person.roles": _roles("changed the roles"),
    "person.switched-off": _moved("switched the account off."),
    "person.switched-on": _moved("switched the account on."),
    "person.signed-out": _moved("ended sessions."),
    "password.set": _moved("set a new password."),
    "person.unlocked": _moved("unlocked the account."),
    "password.closed": _moved("closed the password: somebody else may know it."),
    "password.link-given": _moved("made a link with which a password can be set."),
    "token.issued": _token("made the token"),
    "token.revoked": _token("revoked the token"),
    "case.alerted": _alerted,
    "view.saved": _viewed("saved the view “{}”."),
    "view.renamed": _viewed("renamed a view to “{}”."),
    "view.shared": _viewed("made “{}” a view of the team."),
    "view.removed": _viewed("removed the view “{}”."),
    "channel.added": _moved("added the channel."),
    "channel.changed": _moved("changed what it is told, or where."),
    "channel.tested": _moved("sent a test."),
    "alerts.measures-set": _moved("changed the measures."),
    "calendar.set": _moved("set the working days."),
    "calendar.day-set": _day_set,
    "shift.ended": _shift_ended,
    "shift.taken-over": lambda entry, zone: (f"took over what {entry.after['written by']} left.", ""),
    "runbook.written": _moved("wrote what the company adds."),
    "runbook.taken-out": _moved("took out what the company added."),
    "platform.key-changed": _moved("made a new key."),
    "platform.address-changed": _moved("changed where retries go."),
    "platform.records-by-hand": _moved("closed records as done by hand."),
    "journal.approved": _moved("approved it."),
    "journal.withdrawn": _moved("took the approval back."),
    "journal.returned": _moved("It went back to draft."),
    "journal.exported": _in_batch("exported it in batch {}."),
    "journal.given-back": _in_batch("voided batch {}, in which it had left."),
    "batch.exported": _in_batch("exported batch {}."),
    "batch.downloaded": _moved("downloaded the file."),
    "batch.voided": _moved("voided it."),
}


def _weight(seen: dict) -> str:
    """1,214 lines, £98.00 at stake; what is zero is left out."""
    stake = Decimal(seen.get("stake", "0"))
    said = [words.counted(seen["lines"], "line")] if seen.get("lines") else []
    return ", ".join([*said, f"{money.words(stake, seen['currency'])} at stake"] if stake else said)


def _clock(text: str, zone: ZoneInfo) -> str:
    return words.instant(datetime.fromisoformat(text), timezone.now(), zone)
