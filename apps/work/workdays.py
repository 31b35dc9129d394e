"""On which days a company works: its weekdays, the public holidays of where it is, and what its people said of single days."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays
from django.db import transaction

from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import KEEP_CALENDAR, check_may
from apps.work.models import OwnDay, WorkCalendar

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
REGIONS: Mapping[str, list[str]] = holidays.list_supported_countries(include_aliases=False)
ENGLISH = "en_US"
LONGEST_OFF = 60  # days that are looked at for time of work


@dataclass(frozen=True, kw_only=True)
class WorkDays:
    """`own` is {day: (works, name)} and beats the rest."""

    weekdays: frozenset[int]
    country: str
    subdivision: str
    own: Mapping[date, tuple[bool, str]]

    def off(self, day: date) -> str:
        """Why nobody works on that day; empty on a working day."""
        if day in self.own:
            works, name = self.own[day]
            return "" if works else name
        if day.weekday() not in self.weekdays:
            return WEEKDAYS[day.weekday()]
        return public_holidays(self.country, self.subdivision, day.year).get(day, "") if self.country else ""


@lru_cache(maxsize=64)
def public_holidays(country: str, subdivision: str, year: int) -> Mapping[date, str]:
    """{day: its name}, in English where the library has it."""
    known = getattr(holidays, country).supported_languages
    found = holidays.country_holidays(
        country, subdiv=subdivision or None, years=year, language=ENGLISH if ENGLISH in known else None
    )
    return dict(found)


def calendar_of(entity: Entity) -> WorkCalendar:
    """What was set, else one that is not saved: every day, for orders come every day and a missed check costs more than one
    that was not needed.
    """
    return WorkCalendar.objects.filter(entity=entity).first() or WorkCalendar(entity=entity)


def is_set(entity: Entity) -> bool:
    """Whether anybody has said on which days the company works."""
    return WorkCalendar.objects.filter(entity=entity).exists()


def work_days(entity: Entity) -> WorkDays:
    """Two queries."""
    calendar = calendar_of(entity)
    return WorkDays(
        weekdays=frozenset(calendar.weekdays),
        country=calendar.country,
        subdivision=calendar.subdivision,
        own={row.day: (row.works, row.name) for row in entity.own_days.all()},
    )


def ahead(entity: Entity, now: datetime, time: timedelta) -> datetime:
    """When so much time of working days will have passed: a day off does not count. Two queries."""
    work, zone, begins = work_days(entity), ZoneInfo(entity.zone), now
    for day in (now.astimezone(zone).date() + timedelta(days=n) for n in range(LONGEST_OFF)):
        ends = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone).astimezone(UTC)
        if not work.off(day):
            if begins + time <= ends:
                return begins + time
            time -= ends - begins
        begins = ends
    return begins


@transaction.atomic
def set_calendar(
    *, entity: Entity, weekdays: Collection[int], country: str, subdivision: str, actor: User
) -> WorkCalendar:
    """`country` empty: no public holidays. `subdivision` as ISO 3166-2 has it after the dash, e.g. ENG or BY."""
    check_may(actor, KEEP_CALENDAR, entity)
    if not weekdays:
        raise Refused("Choose at least one day of the week.", field="weekdays")
    if country and country not in REGIONS:
        raise Refused(f"No holidays are known for {country}.", field="country")
    if subdivision and subdivision not in REGIONS.get(country, []):
        known = ", ".join(REGIONS.get(country, [])) or "none"
        raise Refused(f"{subdivision} is no region of {country or 'no country'}. Known: {known}.", field="subdivision")
    before = calendar_of(entity)
    said = {"weekdays": sorted(weekdays), "country": country, "subdivision": subdivision}
    calendar, _ = WorkCalendar.objects.update_or_create(entity=entity, defaults=said)
    was = {"weekdays": before.weekdays, "country": before.country, "subdivision": before.subdivision}
    _record(actor, entity, "calendar.set", before=was, after=said)
    return calendar


@transaction.atomic
def set_day(*, entity: Entity, day: date, works: bool, name: str, actor: User) -> OwnDay:
    """Put a day off in, or work on one that is off. A day that is over stays as it was: its signatures were asked for or not."""
    check_may(actor, KEEP_CALENDAR, entity)
    name = " ".join(name.split())
    if day < datetime.now(ZoneInfo(entity.zone)).date():
        raise Refused(f"{day:%d.%m.%Y} is over.", field="day", code="past")
    if not name:
        raise Refused("Say what the day is, e.g. Stocktaking.", field="name")
    found, _ = OwnDay.objects.update_or_create(
        entity=entity, day=day, defaults={"works": works, "name": name, "set_by": actor}
    )
    _record(actor, entity, "calendar.day-set", before={}, after={"day": day.isoformat(), "works": works, "name": name})
    return found


def _record(actor: User, entity: Entity, verb: str, *, before: dict, after: dict) -> None:
    AuditEntry.objects.record(
        actor=actor, entity=entity, verb=verb, subject=f"calendar:{entity.pk}", before=before, after=after
    )
