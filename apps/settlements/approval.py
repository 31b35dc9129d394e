"""Approval: somebody other than who mapped says that journals are right, and their lines are held to that."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.money import ZERO, words
from apps.core.permissions import APPROVE_JOURNALS, Permission, check_may
from apps.exceptions.models import Case
from apps.exceptions.types import Plan, digest
from apps.ledger.approval import hash_of
from apps.ledger.models import Journal, JournalLine
from apps.ledger.periods import locked_months
from apps.settlements.makers import makers
from apps.settlements.resolutions import settle

State = Journal.State
CHAIN_BROKEN = "settlement.reserve-chain-broken"
ONE_PERSON = "Who mapped in it approved it: the company's one-person setting is on."
WORDS_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Review:
    """A journal looked at for approval. `refusal` says why it cannot be; `warnings` are worth reading and stop nothing.

    `chain` is the id of the live case of a broken reserve chain. `by_maker`: only the one-person setting lets them.
    """

    journal: Journal
    refusal: str = ""
    warnings: tuple[str, ...] = ()
    chain: int | None = None
    by_maker: bool = False


def gather(journals: Iterable[Journal], actor: User, permission: Permission) -> list[Journal]:
    """These journals as they are now, with their sums (`total`), the oldest month first. Refused unless of one company."""
    ids = [journal.pk for journal in journals]
    entities = list(Entity.objects.filter(journals__in=ids).distinct())
    if not entities:
        raise Refused("Tick at least one journal.", code="none-ticked")
    if len(entities) > 1:
        raise Refused("These journals are of several companies. Take one company at a time.", code="several-companies")
    check_may(actor, permission, entities[0])
    settle(entities[0].pk)
    rows = Journal.objects.filter(pk__in=ids).annotate(total=Sum("lines__debit", default=ZERO))
    related = ("entity", "corrects", "approved_by", "of_settlement__version__settlement")
    found = list(rows.select_related(*related).order_by("period", "key"))
    if not found:
        raise Refused("Nothing is left to book in it: a change came first.", code="gone")
    return found


def closed_in(journals: Iterable[Journal]) -> dict[int, str]:
    """Journal id -> the words about a closed account that a line of it posts to."""
    lines = JournalLine.objects.filter(journal__in=journals, account__closed_at__isnull=False).order_by(
        "-account__code"
    )
    return {
        journal: f"Account {code} is closed, and a line of it posts there."
        for journal, code in lines.values_list("journal", "account__code")
    }


def total_words(journals: Iterable[Journal]) -> str:
    """What gathered journals come to: "£5,400.80 + €312.00"."""
    sums: dict[str, object] = {}
    for journal in journals:
        sums[journal.currency] = sums.get(journal.currency, ZERO) + journal.total
    return " + ".join(words(amount, currency) for currency, amount in sorted(sums.items()))


def preview_approve(*, journals: Iterable[Journal], actor: User) -> Plan:
    """What approving would do. Its detail: reviews of those that `go` and of those that `stay`, and the `total`."""
    reviews = _reviews(journals, actor)
    go, stay = split(reviews)
    return Plan(
        effect=f"Approve {named(go)}",
        says="Their lines are held as they stand: whatever changes one returns it to draft and says so.",
        digest=digest(
            "approve",
            actor.pk,
            *[
                (each.journal.pk, each.journal.lines_hash, each.refusal, each.warnings, each.by_maker)
                for each in reviews
            ],
        ),
        detail={"go": go, "stay": stay, "total": total_words(each.journal for each in go)},
    )


@transaction.atomic
def approve(*, journals: Iterable[Journal], actor: User) -> list[Journal]:
    """Approve those that can be, and bind each to its lines as they stand; the others stay. Refused where none can be."""
    go, _ = split(_reviews(journals, actor))
    now = timezone.now()
    for each in go:
        journal = each.journal
        journal.state, journal.returned = State.APPROVED, ""
        journal.approved_hash, journal.approved_by, journal.approved_at = journal.lines_hash, actor, now
    approved = [each.journal for each in go]
    Journal.objects.bulk_update(approved, Journal.APPROVAL)
    AuditEntry.objects.record_all(
        AuditEntry(
            actor=actor,
            actor_name=actor.name,
            entity=each.journal.entity,
            verb="journal.approved",
            subject=f"journal:{each.journal.pk}",
            before={"state": State.DRAFT},
            after={
                "state": State.APPROVED,
                "journal": each.journal.key,
                "total": words(each.journal.total, each.journal.currency),
                "lines": each.journal.approved_hash,
                "warnings": list(each.warnings),
            },
            reason=ONE_PERSON if each.by_maker else "",
        )
        for each in go
    )
    return approved


@transaction.atomic
def withdraw(*, journal: Journal, reason: str, actor: User) -> Journal:
    """Take an approval back before the journal leaves, for a reason that it then shows."""
    (journal,) = gather([journal], actor, APPROVE_JOURNALS)
    if journal.state != State.APPROVED:
        raise Refused(f"It is {journal.get_state_display().lower()}, so there is no approval to take back.")
    if not reason.strip():
        raise Refused("Say why, for whoever reads this later.", field="reason")
    before = {"state": journal.state, "approved by": str(journal.approved_by)}
    journal.end_approval(f"{actor.name} took the approval back: {reason.strip()}")
    journal.save(update_fields=Journal.APPROVAL)
    AuditEntry.objects.record(
        actor=actor,
        entity=journal.entity,
        verb="journal.withdrawn",
        subject=f"journal:{journal.pk}",
        before=before,
        after={"state": journal.state},
        reason=reason.strip(),
    )
    return journal


def split(reviews: Sequence[Review]) -> tuple[list[Review], list[Review]]:
    """Those that go and those that stay. Refused, with the first one's words, where none goes."""
    go = [each for each in reviews if not each.refusal]
    if not go:
        first = reviews[0]
        raise Refused(
            first.refusal if len(reviews) == 1 else f"None of them can. {first.journal.key}: {first.refusal}",
            code="none-can",
        )
    return go, [each for each in reviews if each.refusal]


def named(reviews: Sequence[Review]) -> str:
    return f"the {reviews[0].journal.period:%B %Y} journal" if len(reviews) == 1 else f"{len(reviews)} journals"


def _reviews(journals: Iterable[Journal], actor: User) -> list[Review]:
    """Of these journals of one company, in as many queries for one as for fifty; inside a transaction they hold still."""
    journals = gather(journals, actor, APPROVE_JOURNALS)
    entity = journals[0].entity
    locked, made, hashes = locked_months(entity), makers(journals), hash_of(journals)
    closed = closed_in(journals)
    broken = dict(
        Case.objects.live()
        .filter(entity=entity, type=CHAIN_BROKEN, subject__in=[_settlement(journal) for journal in journals])
        .values_list("subject", "pk")
    )
    found = []
    for journal in journals:
        did = made.get(journal.pk, {}).get(actor, [])
        found.append(
            Review(
                journal=journal,
                refusal=_refusal(
                    journal,
                    locked=journal.period in locked,
                    closed=closed.get(journal.pk, ""),
                    did=[] if entity.one_person else did,
                    as_built=hashes[journal.pk] == journal.lines_hash,
                ),
                warnings=_warnings(journal, broken),
                chain=broken.get(_settlement(journal)),
                by_maker=bool(did),
            )
        )
    return found


def _refusal(journal: Journal, *, locked: bool, closed: str, did: list[str], as_built: bool) -> str:
    if journal.state == State.INCOMPLETE:
        return "A line of it has no account."
    if journal.state == State.APPROVED:
        return f"{journal.approved_by} approved it already."
    if journal.state == State.EXPORTED:
        return "It has left already."
    if not journal.lines_hash:
        return "Nothing is left to book in it."
    if locked:
        return f"{journal.period:%B %Y} is locked."
    if closed:
        return closed
    if did:
        more = f" and {len(did) - WORDS_SHOWN} more" if len(did) > WORDS_SHOWN else ""
        return f"You {', '.join(did[:WORDS_SHOWN])}{more}. Another person approves it."
    if not as_built:
        return "Its lines are not those that were built. Build it again before anybody approves it."
    return ""


def _warnings(journal: Journal, broken: dict[str, int]) -> tuple[str, ...]:
    found = []
    if journal.default_leg_lines:
        amount = words(journal.default_leg_amount, journal.currency)
        lines = "1 line" if journal.default_leg_lines == 1 else f"{journal.default_leg_lines:,} lines"
        found.append(f"{lines}, {amount}, took the default leg.")
    if _settlement(journal) in broken:
        found.append(f"The reserve chain is broken at settlement {_settlement(journal)}.")
    return tuple(found)


def _settlement(journal: Journal) -> str:
    return journal.of_settlement.version.settlement.settlement_id
