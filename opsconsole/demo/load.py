"""Loads the demo the way its people would: files stored and read by jobs, the chart and a fee mapped by finance.

Each step can be repeated, so that a broken-off load goes on where it stopped.
"""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, ReferenceRate, User
from apps.core.operations import add_person, create_entity
from apps.core.permissions import Team
from apps.exceptions import operations
from apps.exceptions.models import Case, State
from apps.exceptions.sweep import sweep
from apps.exceptions.types import REGISTRY, Scope
from apps.integrations import jobs
from apps.integrations.files import store
from apps.integrations.models import Attempt, Connection, Job, JobState, StoredFile
from apps.ledger.models import Account, TaxClass
from apps.settlements.charts import apply_chart
from apps.settlements.leg_jobs import READ_LEGS
from apps.settlements.models import READ_FILE
from apps.work.runbooks import addition, write
from apps.work.workdays import set_calendar, set_day, work_days
from opsconsole.demo import alerts, amazon, history, platform, shifts, waiting
from opsconsole.demo.books import keep_books
from opsconsole.demo.people import (
    BRACKENFOLD,
    COMPANIES,
    IAN,
    KOFI,
    LINDWICK,
    MARTA,
    NADIA,
    PEOPLE,
    PRIYA,
    Company,
    Person,
)
from opsconsole.demo.story import Download, late_leg_file, leg_files, lost_leg_file, settlement_files

LOADED = "demo.loaded"
REGION = {BRACKENFOLD: "ENG", LINDWICK: "HH"}
SINCE = date(2026, 9, 1)
POUNDS_PER_EURO = Decimal("0.87")


def load(say: Callable[[str], None]) -> bool:
    """Load what is missing. False where there is nothing to do. Refused with words where a file is not read."""
    if AuditEntry.objects.filter(verb=LOADED).exists():
        amazon.move()
        platform.move(ian=User.objects.get(email=IAN.email))
        return False
    say("Companies and people")
    entities = {company: _company(company) for company in COMPANIES}
    people = {person: _person(person, entities) for person in PEOPLE}
    home = entities[BRACKENFOLD]
    ReferenceRate.objects.get_or_create(entity=home, currency="EUR", since=SINCE, defaults={"rate": POUNDS_PER_EURO})
    say("Charts of accounts")
    for company, entity in entities.items():
        apply_chart(chart=company.chart, entity=entity, actor=people[MARTA])
    channels = alerts.add_channels(entities, people)
    for file in settlement_files():
        say(f"{file.connection}: {file.name}")
        _read(_stored(file, entities, people[PRIYA if file.company is BRACKENFOLD else MARTA]), READ_FILE)
    history.remember(entities, people)
    for file in leg_files():
        say(f"{file.connection}: {file.name}")
        _read(_stored(file, entities, people[PRIYA]), READ_LEGS)
    say("What people did")
    for company, entity in entities.items():
        _keep_open(entity, REGION[company], people[IAN])
    _lose_a_worker(_stored(lost_leg_file(), entities, people[PRIYA]))
    _work(home, priya=people[PRIYA], marta=people[MARTA])
    keep_books(home, priya=people[PRIYA], marta=people[MARTA], ian=people[IAN])
    _read(_stored(late_leg_file(), entities, people[PRIYA]), READ_LEGS)
    amazon.connect_amazon(home, ian=people[IAN])
    platform.connect_platform(home, ian=people[IAN])
    waiting.ask_a_second_person(home, priya=people[PRIYA], ian=people[IAN])
    waiting.check_a_bulk(home, marta=people[MARTA])
    say("Alerts, as mails into a folder")
    alerts.tell(channels)
    shifts.leave_notes(home, priya=people[PRIYA], marta=people[MARTA], kofi=people[KOFI], nadia=people[NADIA])
    AuditEntry.objects.record(actor=None, entity=home, verb=LOADED, subject=f"entity:{home.pk}")
    return True


def _keep_open(entity: Entity, region: str, ian: User) -> None:
    """They trade each day of the week; today too, so that the demo has something to sign."""
    set_calendar(entity=entity, weekdays=range(7), country=entity.country, subdivision=region, actor=ian)
    today = timezone.now().astimezone(ZoneInfo(entity.zone)).date()
    if work_days(entity).off(today):
        set_day(entity=entity, day=today, works=True, name="Open as usual", actor=ian)


def _company(company: Company) -> Entity:
    found = Entity.objects.filter(name=company.name).first()
    return found or create_entity(
        name=company.name, country=company.country, zone=company.zone, base_currency=company.currency
    )


@transaction.atomic
def _person(person: Person, entities: dict[Company, Entity]) -> User:
    """Without a password of their own: see opsconsole.demo.login."""
    for company in person.companies:
        user = add_person(email=person.email, name=person.name, entity=entities[company], roles=[person.role]).user
    user.set_unusable_password()
    user.save(update_fields=["password"])
    return User.objects.get(pk=user.pk)


def _stored(file: Download, entities: dict[Company, Entity], actor: User) -> StoredFile:
    connection, _ = Connection.objects.get_or_create(entity=entities[file.company], name=file.connection)
    return store(connection=connection, name=file.name, chunks=[file.text.encode()], actor=actor)


def _read(file: StoredFile, kind: str) -> None:
    if file.jobs.filter(kind=kind, state=JobState.DONE).exists():
        return
    job = jobs.create(kind=kind, entity=file.connection.entity, file=file, actor=file.received_by)
    if jobs.run_here(job).state != JobState.DONE:
        raise Refused(f"{file.name}: {job.error}")


@transaction.atomic
def _lose_a_worker(file: StoredFile) -> None:
    """As if each worker that took the job had been killed, which would take a minute to do."""
    if file.jobs.exists():
        return
    job = Job.objects.create(
        kind=READ_LEGS,
        entity=file.connection.entity,
        file=file,
        asked_by=file.received_by,
        state=JobState.STUCK,
        attempts_made=jobs.MAY_LOSE,
        leases_lost=jobs.MAY_LOSE,
        error=f"Its worker went silent {jobs.MAY_LOSE} times, so it no longer starts by itself.",
        progress_words="Rolling settlements up by leg",
    )
    now = timezone.now()
    Attempt.objects.bulk_create(
        Attempt(
            job=job,
            number=number + 1,
            runner=f"files-worker-{number + 1}",
            outcome=Attempt.Outcome.LOST,
            started_at=now - timedelta(minutes=9 - number),
            ended_at=now - timedelta(minutes=8 - number),
        )
        for number in range(jobs.MAY_LOSE)
    )
    sweep(jobs.STUCK_CODE, Scope(entity=job.entity))


def _work(entity: Entity, *, priya: User, marta: User) -> None:
    """A fee mapped, a case claimed, one put aside, one handed over, a note: each once."""
    if case := _untouched(entity, "GiftMessageFee"):
        _map(case, priya)
    if case := _untouched(entity, "FBA Peak Season Surcharge"):
        operations.claim(case=case, actor=marta)
    if case := _untouched(entity, "Brand Campaign"):
        until = timezone.now() + timedelta(days=3)
        operations.snooze(case=case, actor=priya, until=until, reason="Amazon's invoice for the campaign comes first.")
    fees = REGISTRY["settlement.fee-unmapped"]
    if addition(fees, entity) is None:
        text = "Amazon's list of fees with our accounts is in the finance folder: https://files.brackenfold.example/fees\n\n"
        text += "Advertising is approved by Tom before it gets an account. Storage is Marta's."
        write(kind=fees, entity=entity, text=text, after=0, actor=priya)
    if case := _untouched(entity, "LowInventoryLevelFee"):
        reason = "Which SKUs ran low, and is that over? Then finance gives it an account."
        operations.hand_over(case=case, actor=priya, team=Team.ECOMMERCE, reason=reason)
    case = _untouched(entity, "amazon.co.uk | refund | itemfees | fbacustomerreturnperunitfee")
    if case and not AuditEntry.objects.about(case.audit_subject).filter(verb="case.noted").exists():
        operations.note(case=case, actor=priya, text="Began on 26 October, on each line with a return. No fee stopped.")


def _untouched(entity: Entity, name: str) -> Case | None:
    cases = Case.objects.live().filter(entity=entity, state=State.OPEN, team=Team.FINANCE)
    return cases.filter(type="settlement.fee-unmapped", subject__icontains=name).first()


def _map(case: Case, actor: User) -> None:
    action = operations.find_action(case, "map-fee")
    data = {name: "" if value is None else str(value) for name, value in action.form(case, actor).initial.items()}
    data |= {
        "account": str(Account.objects.get(entity=case.entity, code="5190").pk),
        "tax": str(TaxClass.objects.get(entity=case.entity, name="Selling fees").pk),
        "reason": "Gift notes are packed by Amazon: its other fees.",
    }
    _, plan = operations.plan(case=case, action=action, actor=actor, data=data)
    operations.perform(case=case, action=action, actor=actor, data=data, digest=plan.digest)
