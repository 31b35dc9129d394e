"""Which rule maps a fee signature, pure: keys, patterns, exactness, periods, and why (architecture.md section 5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

FIELDS = ("marketplace", "transaction_type", "amount_type", "amount_description", "treatment")
FIELD_NAMES = {field: field.replace("_", "-") for field in FIELDS}
ENDING = "*"

# Families whose amount-description is text that somebody typed: one rule takes them all (settlement-vocabulary.md 2).
# Each is (transaction-type, amount-type, how the description begins), in the form of `clean`.
FREE_TEXT = (
    ("couponredemptionfee", "couponredemptionfee", ""),
    ("couponparticipationfee", "couponparticipationfee", ""),
    ("couponperformancefee", "couponperformancefee", ""),
    ("servicefee", "deals", ""),
    ("promotion fee", "deals", ""),
    ("promotion fee", "promotionfee", ""),
    ("vine enrollment fee", "vine enrollment fee", ""),
    ("other-transaction", "inbound defect fee", ""),
    ("other-transaction", "other-transaction", "transfer of funds unsuccessful"),
    ("other-transaction", "other-transaction", "shipping label purchase"),
)


def clean(text: str) -> str:
    """Without surrounding blanks, inner ones collapsed, in lower case: the only form in which names are compared."""
    return " ".join(text.split()).lower()


def signature_key(
    marketplace: str, transaction_type: str, amount_type: str, amount_description: str, treatment: str
) -> str:
    return " | ".join(
        clean(part) for part in (marketplace, transaction_type, amount_type, amount_description, treatment)
    )


@dataclass(frozen=True)
class Signature:
    """A fee's name, each part as `clean` gives it."""

    marketplace: str
    transaction_type: str
    amount_type: str
    amount_description: str
    treatment: str

    @classmethod
    def of(cls, source: object) -> "Signature":
        """From anything with the five attributes."""
        return cls(*(clean(getattr(source, field)) for field in FIELDS))


@dataclass(frozen=True)
class Span:
    """From `since` until the day before `until`; None is open."""

    since: date | None = None
    until: date | None = None

    def __contains__(self, day: date) -> bool:
        return (self.since is None or self.since <= day) and (self.until is None or day < self.until)

    def meets(self, other: "Span") -> bool:
        return (self.since is None or other.until is None or self.since < other.until) and (
            other.since is None or self.until is None or other.since < self.until
        )


@dataclass(frozen=True)
class Rule:
    """A mapping rule. Empty pattern fields match anything; "*" ends a description that matches by its beginning.

    `account` and `tax_class` are what it maps to; a rule not saved yet has id 0 and counts as the newest.
    """

    id: int
    pattern: Signature
    span: Span
    account: int
    tax_class: int | None = None

    @property
    def newness(self) -> float:
        return self.id or float("inf")


def matches(pattern: Signature, signature: Signature) -> bool:
    for field in FIELDS:
        wanted, found = getattr(pattern, field), getattr(signature, field)
        if field == "amount_description" and wanted.endswith(ENDING):
            if not found.startswith(wanted.removesuffix(ENDING)):
                return False
        elif wanted and wanted != found:
            return False
    return True


def exactness(pattern: Signature) -> tuple:
    """How exact a pattern is, for comparing.

    The description counts first, whole before a long beginning before a short one; then amount-type, transaction-type,
    treatment, marketplace. Two patterns that match one signature and are equally exact are the same pattern.
    """
    description = pattern.amount_description
    if description.endswith(ENDING):
        said = (1, len(description)) if description != ENDING else (0, 0)
    else:
        said = (2, 0) if description else (0, 0)
    return (
        *said,
        *(bool(getattr(pattern, f)) for f in ("amount_type", "transaction_type", "treatment", "marketplace")),
    )


def rank(rule: Rule) -> tuple:
    """The higher rank wins. The same pattern twice: the newer rule."""
    return (*exactness(rule.pattern), rule.newness)


def resolve_spans(rules: Iterable[Rule], signature: Signature) -> list[tuple[Span, Rule]]:
    """The rule that wins for a signature, period by period, in order of time. Days without a rule are in no period."""
    matching = [rule for rule in rules if matches(rule.pattern, signature)]
    edges = sorted({edge for rule in matching for edge in (rule.span.since, rule.span.until) if edge is not None})
    found: list[tuple[Span, Rule]] = []
    for span in (Span(*pair) for pair in zip([None, *edges], [*edges, None], strict=True)):
        winner = max((rule for rule in matching if rule.span.meets(span)), key=rank, default=None)
        if winner is None:
            continue
        if found and found[-1][1] is winner and found[-1][0].until == span.since:
            span = Span(found.pop()[0].since, span.until)
        found.append((span, winner))
    return found


@dataclass(frozen=True)
class Explanation:
    """The rule that maps a signature on a day, or None; and the others that match, each with the words why it lost."""

    winner: Rule | None
    words: str
    losers: list[tuple[Rule, str]]


def explain(signature: Signature, rules: Iterable[Rule], day: date) -> Explanation:
    matching = sorted((rule for rule in rules if matches(rule.pattern, signature)), key=rank, reverse=True)
    winner = next((rule for rule in matching if day in rule.span), None)
    losers = [(rule, _why_not(rule, winner, day)) for rule in matching if rule is not winner]
    if winner is None:
        return Explanation(None, "No rule matches on this day." if matching else "No rule matches.", losers)
    others = sum(day in rule.span for rule, _ in losers)
    words = (
        f"It names {_named(winner.pattern)}."
        if others == 0
        else f"The most exact of {others + 1}: it names {_named(winner.pattern)}."
    )
    return Explanation(winner, words, losers)


def family(description: str) -> str:
    """How a description and its like begin, as a pattern; empty where nothing can be said.

    "PilotProgrammeFee007" gives "PilotProgrammeFee*"; without a number at its end, its first word.
    """
    text = " ".join(description.split())
    stem = text.rstrip("0123456789-_/.#: ")
    if stem == text and " " in text:
        stem = text.split(" ")[0]
    return f"{stem}{ENDING}" if stem else ""


def free_text(signature: Signature) -> str:
    """The pattern of the free-text family that a signature belongs to, or empty."""
    for transaction_type, amount_type, beginning in FREE_TEXT:
        same_type = (signature.transaction_type, signature.amount_type) == (transaction_type, amount_type)
        if same_type and signature.amount_description.startswith(beginning):
            return f"{beginning}{ENDING}"
    return ""


def _named(pattern: Signature) -> str:
    """The pattern in words: "amount-type and the whole amount-description"."""
    parts = [FIELD_NAMES[field] for field in FIELDS if getattr(pattern, field) and field != "amount_description"]
    description = pattern.amount_description
    if description.endswith(ENDING) and description != ENDING:
        parts.append(f"how the amount-description begins ({description})")
    elif description and description != ENDING:
        parts.append("the whole amount-description")
    return (
        " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
        or "nothing, so it takes everything"
    )


def _why_not(rule: Rule, winner: Rule | None, day: date) -> str:
    if rule.span.since and day < rule.span.since:
        return f"Begins later, on {_day(rule.span.since)}."
    if rule.span.until and day >= rule.span.until:
        return f"Ended before {_day(rule.span.until)}."
    if winner and exactness(rule.pattern) == exactness(winner.pattern):
        return "The same pattern, but older."
    return f"Less exact: it names {_named(rule.pattern)}."


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
