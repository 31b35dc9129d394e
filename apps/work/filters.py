"""Which cases a person asks for. An address, a saved view, an API call and a bulk job say it in the same few words."""

import re
import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, time, timedelta
from decimal import Decimal, InvalidOperation

from django.contrib.postgres.search import SearchQuery
from django.db.models import Q
from django.utils import timezone

from apps.core.models import User
from apps.core.permissions import Team
from apps.exceptions.models import Case, CaseQuerySet, Diagnosis, State, Tally
from apps.exceptions.types import REGISTRY

VIEWS = {  # name -> label, states
    "all": ("All open", (State.OPEN, State.CLAIMED)),
    "nobody": ("Nobody has it", (State.OPEN,)),
    "held": ("In progress", (State.CLAIMED,)),
    "mine": ("Mine", (State.OPEN, State.CLAIMED)),
    "snoozed": ("Snoozed", (State.SNOOZED,)),
}
DUES = {"overdue": "overdue", "today": "due by tonight", "week": "due within 7 days"}
OPENED = {"day": timedelta(days=1), "week": timedelta(days=7)}  # within it
LONGEST = 200  # letters of a search
DIGITS = 12  # of an amount, or a person's id
MARKS = string.punctuation + "–—‘’“”·…£€"  # as where the words of a case are made: exceptions_case_words
BETWEEN_WORDS = re.compile(rf"[\s{re.escape(MARKS)}]+")


@dataclass(frozen=True, kw_only=True)
class CaseFilter:
    """`team` empty is every queue that the person reads. `holder` is a person whose case it is or who is at it, `least` the
    least amount at stake in the company's base currency, `q` words that all have to be somewhere in the case.
    """

    team: str = ""
    view: str = "all"
    type: str = ""
    diagnosis: str = ""
    holder: int | None = None
    q: str = ""
    least: Decimal | None = None
    due: str = ""
    opened: str = ""
    came_back: bool = False

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> "CaseFilter":
        """What an address or a saved view asks for; what it names and we do not know is left out."""

        def known(name: str, values: Collection[str], default: str = "") -> str:
            return value if (value := asked.get(name, "")) in values else default

        holder = asked.get("holder", "")
        return cls(
            team=known("team", Team.values),
            view=known("view", VIEWS, "all"),
            type=known("type", REGISTRY),
            diagnosis=known("diagnosis", Diagnosis.values),
            holder=int(holder) if holder.isascii() and holder.isdecimal() and len(holder) <= DIGITS else None,
            q=" ".join(asked.get("q", "")[:LONGEST].split()),
            least=_amount(asked.get("least", "")),
            due=known("due", DUES),
            opened=known("opened", OPENED),
            came_back=asked.get("came_back") == "1",
        )

    def params(self) -> dict[str, str]:
        """The address that asks for the same, without what every filter begins with."""
        said = {each.name: getattr(self, each.name) for each in fields(self) if getattr(self, each.name) != each.default}
        return {name: "1" if value is True else str(value) for name, value in said.items()}

    @property
    def narrows(self) -> bool:
        """Whether it asks for less than the whole view of the queue."""
        return bool(set(self.params()) - {"team", "view"})

    @property
    def states(self) -> tuple[State, ...]:
        return VIEWS[self.view][1]

    def cases(self, user: User, entity_ids: Collection[int]) -> CaseQuerySet:
        """Those in these companies that the person may see, in no order."""
        found = Case.objects.visible_to(user).filter(entity_id__in=entity_ids)
        return (found.filter(team=self.team) if self.team else found).filter(self.condition(user))

    def condition(self, user: User) -> Q:
        """What it asks of a case, but for its company and team. Days end in the time zone in force."""
        wanted = Q(state__in=self.states)
        if self.view == "mine":
            wanted &= _with(user.pk)
        if self.view == "nobody":
            wanted &= Q(assigned_to=None)
        if self.holder is not None:
            wanted &= _with(self.holder)
        if self.type:
            wanted &= Q(type=self.type)
        if self.diagnosis:
            wanted &= Q(diagnosis=self.diagnosis)
        if self.least is not None:
            wanted &= Q(worth__gte=self.least)
        if self.due:
            wanted &= Q(due_at__lt=_due_before(self.due))
        if self.opened:
            wanted &= Q(opened_at__gt=timezone.now() - OPENED[self.opened])
        if self.came_back:
            wanted &= Q(earlier__isnull=False)
        return wanted & worded_as(self.q) if self.q else wanted

    @property
    def tallied(self) -> bool:
        """Whether Tally counts what is asked for; else the cases themselves have to be counted."""
        return self.view != "mine" and not set(self.params()) - {"team", "view", "type", "diagnosis"}

    def fits(self, tally: Tally) -> bool:
        """Whether the tally counts cases of this filter, if it is a tallied one."""
        return (
            tally.state in self.states
            and (self.view != "nobody" or not tally.assigned)
            and self.type in ("", tally.type)
            and self.diagnosis in ("", tally.diagnosis)
        )

    def words(self, reader: User | None = None) -> str:
        """All open, “Fee has no account”, structural, at least 500 at stake, due by tonight, came back.

        A holder is named to the people of their companies alone.
        """
        holder = self.holder and (self._holder_named_to(reader) or "one person")
        said = [
            VIEWS[self.view][0],
            self.team and f"of {Team(self.team).label}",
            self.type and f"“{REGISTRY[self.type].title}”",
            self.diagnosis and Diagnosis(self.diagnosis).label.lower(),
            holder and f"with {holder}",
            self.q and f"with the words “{self.q}”",
            self.least is not None and f"at least {self.least:,} at stake",
            self.due and DUES[self.due],
            self.opened and f"opened within a {self.opened}",
            self.came_back and "came back",
        ]
        return ", ".join(part for part in said if part)

    def _holder_named_to(self, reader: User | None) -> str | None:
        shared = User.objects.filter(pk=self.holder, memberships__entity__in=reader.teams_seen_in() if reader else [])
        return shared.values_list("name", flat=True).first()


def _amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount > 0 and amount.adjusted() < DIGITS else None


def _with(person: int) -> Q:
    return Q(assigned_to=person) | Q(claimed_by=person)


def _due_before(due: str) -> datetime:
    now = timezone.localtime()
    tonight = datetime.combine(now.date() + timedelta(days=1), time(), now.tzinfo)
    return {"overdue": now, "today": tonight, "week": now + timedelta(days=7)}[due]


def worded_as(q: str) -> Q:
    """Cases that have all the words, each whole or as a beginning. A word of a type's title stands for its cases.

    The whole word is asked for beside its beginnings, since the server knows only of whole words how many cases have them.
    """
    wanted = Q()
    for word in filter(None, BETWEEN_WORDS.split(q.lower())):
        has = Q(words=SearchQuery(f"'{word}' | '{word}':*", config="simple", search_type="raw"))
        titled = [code for code, kind in REGISTRY.items() if _begins_a_word(kind.title.lower(), word)]
        wanted &= has | Q(type__in=titled) if titled else has
    return wanted


def _begins_a_word(text: str, word: str) -> bool:
    return any(each.startswith(word) for each in BETWEEN_WORDS.split(text))
