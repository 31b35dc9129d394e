"""Cases beside what waits on them: a link for those who read the queue, and else who has the case."""

from collections.abc import Iterable
from dataclasses import dataclass

from apps.core.models import User
from apps.core.permissions import Team
from apps.core.words import listed
from apps.exceptions.models import Case
from apps.exceptions.operations import people_of

NAMES_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Whose:
    """`seen`: the person reads its queue. `words`: who has it, empty where the person may look for himself."""

    case: Case
    seen: bool
    words: str


def whose(cases: Iterable[Case], person: User) -> list[Whose]:
    """In the order of the cases, which have their `claimed_by`."""
    teams = person.teams_seen_in()
    who: dict[tuple[int, str], str] = {}
    found = []
    for case in cases:
        seen, queue = case.team in teams.get(case.entity_id, ()), (case.entity_id, case.team)
        if not seen and queue not in who:
            who[queue] = _people(Team(case.team), case.entity_id)
        on_it = f"{case.claimed_by.name} is on it." if case.claimed_by else who.get(queue, "")
        found.append(Whose(case=case, seen=seen, words="" if seen else on_it))
    return found


def _people(team: Team, entity_id: int) -> str:
    names = listed(person.name for person in people_of([team], [entity_id])[:NAMES_SHOWN])
    return f"{team.label} has it: {names}." if names else f"{team.label} has it, and nobody has that role yet."
