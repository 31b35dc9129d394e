"""Draft journals from roll-ups, resolutions and tax rules. The arithmetic is apps.ledger.rules."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Now

from apps.core.models import Entity
from apps.core.money import round_half_up
from apps.ledger import rules as ledger
from apps.ledger.models import Account, Journal, JournalLine, TaxClass, TaxCode
from apps.settlements.models import (
    FeeSignature,
    JournalPart,
    Resolution,
    RollUp,
    Settlement,
    SettlementJournal,
    SettlementVersion,
)
from apps.settlements.resolutions import lock_mapping
from apps.settlements.rules import Rule, Span

FIRST_VERSION = 1  # of a journal; a correction is the next one (architecture.md section 7)
OPEN_STATES = (Journal.State.INCOMPLETE, Journal.State.DRAFT)
BATCH = 2000

Spans = Mapping[int, Sequence[tuple[Span, Rule]]]
"""Signature id -> which rule maps it when."""


@dataclass(frozen=True, kw_only=True)
class Payout:
    """A taken version and its journals, computed but not written. `cells` are the roll-ups they are made of."""

    version: SettlementVersion
    drafts: list[ledger.Draft]
    cells: list[ledger.Portion]

    @property
    def settlement(self) -> Settlement:
        return self.version.settlement

    @property
    def complete(self) -> bool:
        return all(draft.complete for draft in self.drafts)


def key_of(settlement: Settlement, draft: ledger.Draft) -> str:
    return f"stl:{settlement.settlement_id}:{draft.period:%Y%m}:{FIRST_VERSION}"


def books_of(entity: Entity) -> ledger.Books:
    """What the company's journals are built with: accounts, roles, tax."""
    accounts = list(Account.objects.filter(entity=entity))
    classes = TaxClass.objects.filter(entity=entity).prefetch_related("rules")
    return ledger.Books(
        names={account.pk: account.name for account in accounts},
        codes={account.pk: account.code for account in accounts},
        roles={account.role: account.pk for account in accounts if account.role},
        tax_classes={
            found.pk: ledger.TaxClass(
                found.pk,
                found.name,
                found.default_leg,
                tuple(
                    ledger.TaxRule(rule.leg, rule.period.lower, rule.period.upper, rule.tax_code_id)
                    for rule in found.rules.all()
                ),
            )
            for found in classes
        },
        tax_codes={
            code.pk: ledger.TaxCode(code.pk, code.name, code.rate, code.account_id)
            for code in TaxCode.objects.filter(entity=entity)
        },
    )


def compute(
    entity: Entity, versions: Collection[SettlementVersion], *, books: ledger.Books, spans: Spans | None = None
) -> list[Payout]:
    """The journals of these versions as they would be built now; `spans` says what other rules would map instead."""
    cells: dict[int, list[ledger.Portion]] = defaultdict(list)
    ids = [version.pk for version in versions]
    names = {row.pk: str(row) for row in FeeSignature.objects.filter(rollups__version__in=ids).distinct()}
    mapped_by = Resolution.objects.filter(signature=OuterRef("signature"), period__contains=OuterRef("day"))
    rollups = RollUp.objects.filter(version__in=ids).annotate(
        account=Subquery(mapped_by.values("rule__account")[:1]),
        tax_class=Subquery(mapped_by.values("rule__tax_class")[:1]),
    )
    fields = ("version", "signature", "day", "leg", "lines", "credit", "debit", "account", "tax_class")
    for version, signature, day, leg, lines, credit, debit, account, tax_class in rollups.order_by(
        *fields[:4]
    ).values_list(*fields):
        if spans is not None and signature in spans:
            posting = _posting(spans[signature], day)
        else:
            posting = ledger.Posting(account, tax_class) if account is not None else None
        cells[version].append(ledger.Portion(signature, names[signature], day, leg, lines, credit, debit, posting))
    zone = ZoneInfo(entity.zone)
    return [
        Payout(
            version=version,
            cells=cells[version.pk],
            drafts=ledger.drafts(
                cells[version.pk],
                end=version.settlement.end_at.astimezone(zone).date(),
                books=books,
                round_half_up=partial(round_half_up, currency=version.settlement.currency),
            ),
        )
        for version in versions
    ]


def buildable(entity: Entity) -> QuerySet[SettlementVersion]:
    """Taken versions of settlements of which no journal is approved or exported: those are never touched."""
    versions = SettlementVersion.objects.filter(settlement__entity=entity, state=SettlementVersion.State.TAKEN)
    return versions.exclude(settlement__in=_closed()).select_related("settlement").order_by("settlement__settlement_id")


def _closed() -> QuerySet:
    """Ids of settlements of which a journal is approved or exported."""
    return SettlementJournal.objects.exclude(journal__state__in=OPEN_STATES).values("version__settlement")


def using_class(entity: Entity, tax_class: TaxClass) -> QuerySet[SettlementVersion]:
    """Those of them in which a rule taxes something by this class."""
    signatures = Resolution.objects.filter(rule__tax_class=tax_class).values("signature")
    return buildable(entity).filter(rollups__signature__in=signatures).distinct()


@transaction.atomic
def rebuild(version_ids: Collection[int]) -> None:
    """Build the drafts of these versions' settlements anew, and drop those of a settlement that is taken no longer."""
    entities = Entity.objects.filter(settlements__versions__in=version_ids).distinct().order_by("pk")
    for entity in entities:
        lock_mapping(entity.pk)
        settlements = Settlement.objects.filter(entity=entity, versions__in=version_ids).exclude(pk__in=_closed())
        payouts = compute(entity, list(buildable(entity).filter(settlement__in=settlements)), books=books_of(entity))
        _write(entity, payouts)
        stale = Journal.objects.filter(of_settlement__version__settlement__in=settlements, state__in=OPEN_STATES)
        stale.exclude(
            key__in=[key_of(payout.settlement, draft) for payout in payouts for draft in payout.drafts]
        ).delete()


def _write(entity: Entity, payouts: list[Payout]) -> None:
    drafts = [(payout, draft) for payout in payouts for draft in payout.drafts]
    journals = Journal.objects.bulk_create(
        [
            Journal(
                entity=entity,
                key=key_of(payout.settlement, draft),
                currency=payout.settlement.currency,
                period=draft.period,
                dated=draft.dated,
                state=Journal.State.DRAFT if draft.complete else Journal.State.INCOMPLETE,
                default_leg_lines=draft.default_leg_lines,
                default_leg_amount=draft.default_leg_amount,
                built_at=Now(),
            )
            for payout, draft in drafts
        ],
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=["period", "dated", "state", "default_leg_lines", "default_leg_amount", "built_at"],
    )
    SettlementJournal.objects.bulk_create(
        [
            SettlementJournal(version=payout.version, journal=journal, month=draft.period)
            for (payout, draft), journal in zip(drafts, journals, strict=True)
        ],
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["journal"],
        update_fields=["version"],
    )
    JournalPart.objects.filter(journal_line__journal__in=journals).delete()
    JournalLine.objects.filter(journal__in=journals).delete()
    built = [
        (journal, line, number)
        for journal, (_, draft) in zip(journals, drafts, strict=True)
        for number, line in enumerate(draft.lines, 1)
    ]
    rows = JournalLine.objects.bulk_create(
        [
            JournalLine(
                journal=journal,
                number=number,
                account_id=line.account,
                label=line.label,
                tax_code_id=line.tax_code,
                debit=line.debit,
                credit=line.credit,
            )
            for journal, line, number in built
        ],
        batch_size=BATCH,
    )
    JournalPart.objects.bulk_create(
        [
            JournalPart(
                journal_line=row,
                signature_id=part.cause,
                leg=part.leg,
                default_leg=part.default_leg,
                lines=part.lines,
                amount=part.amount,
            )
            for row, (_, line, _) in zip(rows, built, strict=True)
            for part in line.parts
        ],
        batch_size=BATCH,
    )


def _posting(spans: Sequence[tuple[Span, Rule]], day) -> ledger.Posting | None:
    rule = next((rule for span, rule in spans if day in span), None)
    return ledger.Posting(rule.account, rule.tax_class) if rule else None
