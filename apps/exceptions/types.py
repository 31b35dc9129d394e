"""What an exception type, a finding, an action and a preview are (architecture.md section 3). Types register themselves."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.forms import Form

from apps.core.models import Entity, User
from apps.core.permissions import Permission, Team
from apps.exceptions.models import Case, Diagnosis


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What a sweep looks at: all of one company, or just these subjects of it."""

    entity: Entity
    subjects: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One cause that a detector finds now. `stake` is the cause's own money, never negative; money in `facts` is text.

    Without `due_at` it is due its own or its type's `respond_within` after the case opened.
    """

    subject: str
    currency: str
    stake: Decimal = Decimal(0)
    lines: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    diagnosis: Diagnosis | None = None
    due_at: datetime | None = None
    respond_within: timedelta | None = None


def digest(*inputs: object) -> str:
    """Binds a preview to its doing: over all that the plan depends on, values and dataclasses in a fixed order."""
    return hashlib.sha256("\x1f".join(repr(each) for each in inputs).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Weight:
    """How much a change moves or frees: lines, and their money without sign, {currency: sum}."""

    lines: int = 0
    money: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an action would do, computed without doing it. `digest` covers all that the outcome depends on.

    `effect` finishes the primary button ("Map the fee and rebuild 6 journals"); `says` is the sentence beside it. `detail` is
    what the action's own preview template shows. A plan with a `weight` may take a second person: `over` says in words why it
    does (the engine fills it in, see weighing.py), and is empty where one person is enough.
    """

    effect: str
    says: str
    digest: str
    detail: dict[str, Any] = field(default_factory=dict)
    weight: Weight | None = None
    over: str = ""


@dataclass(frozen=True, kw_only=True)
class Action:
    """A button, its preview and the server's check read this one object.

    `form(case, actor, data=None)` builds a bound or initial form; `preview(case, actor, cleaned)` returns the plan;
    `run(case, actor, cleaned)` does it inside `perform`'s transaction and returns the words for the notice afterwards
    ("Mapped. 418 lines now post to 5110."). `clears` names the types swept at once. `template` shows the plan's detail,
    `form_template` the form's fields.
    """

    name: str
    label: str
    permission: Permission
    form: Callable[..., Form]
    preview: Callable[[Case, User, dict[str, Any]], Plan]
    run: Callable[[Case, User, dict[str, Any]], str]
    clears: tuple[str, ...] = ()
    template: str = "cases/plan.html"
    form_template: str = "parts/form.html"
    available: Callable[[Case], bool] = lambda case: True


@dataclass(frozen=True, kw_only=True)
class Runbook:
    impact: str
    steps: tuple[str, ...]
    prevention: str
    escalate: str


@dataclass(frozen=True, kw_only=True)
class ExceptionType:
    """Everything about one kind of exception. `detect(scope)` yields what is wrong now within the scope.

    `headline(case)` is the finding as a sentence (mock/DESIGN.md: the heading is the finding); `floor` is what a case is worth
    at least, for ranking, in the company's base currency; `holds_back` forbids dismissing. `doubts(entity)` says where the
    detector's silence is no recovery, since what it reads is not fresh: {regular expression of subjects: why, in words};
    such cases do not end.
    `recommends(case)` names the action that comes first on the page, and why; without it the first declared one does.
    `counts` is what the `lines` of its findings are, in the singular.
    """

    code: str
    title: str
    team: Team
    diagnosis: Diagnosis
    holds_back: bool
    floor: Decimal
    respond_within: timedelta
    detect: Callable[[Scope], Iterator[Finding]]
    headline: Callable[[Case], str]
    runbook: Runbook
    panel: str
    actions: tuple[Action, ...] = ()
    doubts: Callable[[Entity], dict[str, str]] = lambda entity: {}
    recommends: Callable[[Case], tuple[str, str]] | None = None
    counts: str = "line"


REGISTRY: dict[str, ExceptionType] = {}


def register(kind: ExceptionType) -> ExceptionType:
    """Add a type to the catalogue. A code declared twice is a mistake of ours and stops the start."""
    if kind.code in REGISTRY:
        raise ValueError(f"exception type {kind.code} is declared twice")
    REGISTRY[kind.code] = kind
    return kind
