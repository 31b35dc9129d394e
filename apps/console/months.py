"""Accounting months as the close sees them: journals by state, the lock, what holds a month back, what its balances are."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db.models import Case as SqlCase
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum, Value, When
from django.utils import timezone

from apps.console import words
from apps.console.waterfall import Fall
from apps.core.models import Entity, User
from apps.exceptions.models import Case
from apps.ledger.models import Account, Journal, JournalLine, PeriodLock
from apps.ledger.rules import month_end
from apps.settlements.models import JournalPart, Settlement

ROLES = (Account.Role.CLEARING, Account.Role.CARRIED_FORWARD, Account.Role.RESERVE)
KINDS = (Account.Kind.INCOME, Account.Kind.EXPENSE, Account.Kind.LIABILITY, Account.Kind.ASSET, None)
BEFORE, EXPORTED, OPEN = "before", "exported", "open"
FEE_UNMAPPED, PERIOD_CLOSED = "settlement.fee-unmapped", "erp.period-closed"
WHOLE_FILE = ("settlement.does-not-tie", "settlement.changed")


@dataclass
class InState:
    """How many journals are in a state, and {currency: debits} of them."""

    count: int = 0
    money: dict[str, Decimal] = field(default_factory=dict)


@dataclass
class Month:
    """A month of a company. `states` has every state, with zero where no journal is in it."""

    entity: Entity
    first: date
    states: dict[str, InState] = field(default_factory=lambda: {state: InState() for state in Journal.State.values})
    lock: PeriodLock | None = None

    @property
    def journals(self) -> int:
        return sum(found.count for found in self.states.values())

    @property
    def waits(self) -> int:
        """Journals that are not exported."""
        return self.journals - self.states[Journal.State.EXPORTED].count

    @property
    def is_over(self) -> bool:
        return month_end(self.first) < timezone.now().astimezone(ZoneInfo(self.entity.zone)).date()

    def finding(self, held_back: int) -> str:
        """The month in a sentence; `held_back` is how many exceptions hold something of it back."""
        name, exported = f"{self.first:%B %Y}", self._exported()
        waiting = words.counted(self.waits, "journal")
        if self.lock:
            rest = f", and {waiting} wait{'s' if self.waits == 1 else ''} for it" if self.waits else f": {exported}"
            return f"{name} is locked{rest}"
        if self.waits:
            return f"{name} has {waiting} that {'is' if self.waits == 1 else 'are'} not exported"
        if held_back:
            return f"{name} is held back by {words.counted(held_back, 'exception')}, although {exported}"
        return f"{name} can be closed: {exported}" if self.is_over else f"{name} goes on: {exported}"

    def _exported(self) -> str:
        if not self.journals:
            return "no journal is in it"
        return "its journal is exported" if self.journals == 1 else f"all {self.journals:,} journals are exported"


def months_of(entities: Collection[Entity]) -> list[date]:
    """The months in which one of these companies has journals or locks, newest first."""
    booked = _booked(entities).order_by().values_list("period", flat=True).distinct()
    locked = PeriodLock.objects.filter(entity__in=entities).order_by().values_list("month", flat=True).distinct()
    return sorted({*booked, *locked}, reverse=True)


def read(entities: Collection[Entity], months: Collection[date]) -> list[Month]:
    """Each company's months among these that have journals or locks: company by company, newest first."""
    named = {entity.pk: entity for entity in entities}
    found: dict[tuple[int, date], Month] = {}

    def month(entity: int, first: date) -> Month:
        return found.setdefault((entity, first), Month(named[entity], first))

    sums = _booked(entities).filter(period__in=months).order_by().values_list("entity", "period", "state", "currency")
    for entity, first, state, currency, count, debits in sums.annotate(Count("pk", distinct=True), Sum("lines__debit")):
        here = month(entity, first).states[state]
        here.count += count
        here.money[currency] = debits
    for lock in locks(entities, months):
        known = month(lock.entity_id, lock.month)
        if lock.unlocked_at is None:
            known.lock = lock
    order = {entity.pk: place for place, entity in enumerate(entities)}
    return sorted(found.values(), key=lambda each: (order[each.entity.pk], -each.first.toordinal()))


def locks(entities: Collection[Entity], months: Collection[date]) -> QuerySet[PeriodLock]:
    """Those that are and those that were, with their people; the newest first."""
    rows = PeriodLock.objects.filter(entity__in=entities, month__in=months)
    return rows.select_related("locked_by", "unlock_asked_by", "unlocked_by").order_by("-month", "-locked_at")


def held_back_by(month: Month, person: User) -> QuerySet[Case]:
    """Live cases that keep money of the month out of the books, by rank: of its journals that are not exported, and of

    settlements within it that are not taken.
    """
    open_here = Journal.objects.filter(entity=month.entity, period=month.first).exclude(state=Journal.State.EXPORTED)
    parts = JournalPart.objects.filter(journal_line__account=None, journal_line__journal__in=open_here)
    zone = ZoneInfo(month.entity.zone)
    begins = datetime.combine(month.first, time(), zone)
    ends = datetime.combine(month_end(month.first), time.max, zone)
    within = Settlement.objects.filter(entity=month.entity, start_at__lte=ends, end_at__gte=begins)
    settlements = open_here.values_list("of_settlement__version__settlement__settlement_id", flat=True)
    of_its_journals = Q(pk__in=[])
    for settlement in sorted(set(settlements)):
        of_its_journals |= Q(facts__settlements__contains=[{"settlement_id": settlement}])
    cases = Case.objects.visible_to(person).live().filter(entity=month.entity, holds_back=True)
    return cases.filter(
        Q(type=FEE_UNMAPPED, subject__in=parts.values("signature__key"))
        | Q(type__in=WHOLE_FILE, subject__in=within.values("settlement_id"))
        | Q(type=PERIOD_CLOSED, subject=f"{month.first:%Y-%m}")
        | ~Q(type__in=(FEE_UNMAPPED, PERIOD_CLOSED)) & of_its_journals
    ).by_rank()


@dataclass
class Balance:
    """Debits less credits of an account in one currency: before the month, and of the month what is exported and what not."""

    account: Account
    currency: str
    before: Decimal = Decimal(0)
    exported: Decimal = Decimal(0)
    open: Decimal = Decimal(0)

    @property
    def end(self) -> Decimal:
        return self.before + self.exported + self.open


def balances(month: Month) -> list[Balance]:
    """Of clearing, carried forward and reserve; by currency."""
    lines = JournalLine.objects.filter(
        journal__entity=month.entity, journal__period__lte=month.first, account__role__in=ROLES
    )
    when = SqlCase(
        When(journal__period__lt=month.first, then=Value(BEFORE)),
        When(journal__state=Journal.State.EXPORTED, then=Value(EXPORTED)),
        default=Value(OPEN),
    )
    sums = lines.order_by().values_list("account", "journal__currency", when)
    accounts = {account.pk: account for account in Account.objects.filter(entity=month.entity, role__in=ROLES)}
    found: dict[tuple[str, int], Balance] = {}
    for account, currency, bucket, amount in sums.annotate(amount=Sum(F("debit") - F("credit"))):
        balance = found.setdefault((currency, account), Balance(accounts[account], currency))
        setattr(balance, bucket, amount)
    return sorted(found.values(), key=lambda each: (each.currency, ROLES.index(each.account.role)))


def falls(month: Month) -> list[Fall]:
    """What the month's journals bring to clearing or carry forward, by account as Amazon signs it: income first, what has
    no account last.
    """
    lines = JournalLine.objects.filter(journal__entity=month.entity, journal__period=month.first)
    others = lines.exclude(account__role__in=(Account.Role.CLEARING, Account.Role.CARRIED_FORWARD))
    sums = others.order_by().values_list("journal__currency", "account__kind", "account__code", "account__name")
    steps: dict[str, list] = defaultdict(list)
    for currency, kind, code, name, amount in sums.annotate(amount=Sum(F("credit") - F("debit"))):
        steps[currency].append((KINDS.index(kind), code or "", name or "No account", amount))
    return [
        Fall(currency, [(name, amount) for _, _, name, amount in sorted(found)], "Net of the month")
        for currency, found in sorted(steps.items())
    ]


def _booked(entities: Iterable[Entity]) -> QuerySet[Journal]:
    """Journals that book something."""
    return Journal.objects.filter(Exists(JournalLine.objects.filter(journal=OuterRef("pk"))), entity__in=entities)
