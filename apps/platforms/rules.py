"""Which failures in a platform have one cause, whose it looks like, and what an answer to a retry means. Pure."""

import re
from datetime import timedelta
from typing import Literal, NamedTuple

LONGEST_CAUSE = 400
SILENT_AFTER = timedelta(hours=4)
BACKOFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
LONGEST_WAIT = timedelta(hours=6)

QUOTED = re.compile(r"(?<!\w)'[^']*'(?!\w)|\"[^\"]*\"|“[^”]*”|‘[^’]*’|«[^»]*»|`[^`]*`|\[[^\]]*\]")
LEFT_OUT = "…"
SKU = re.compile(r"(?<![\w-])[A-Z0-9]{2,}(?:-[A-Z0-9]+)+(?![\w-])")
WEB = re.compile(r"(?i)\b[a-z]+://\S+|(?<!\S)\S*@\S+")
WITH_DIGIT = re.compile(r"(?<!\w)(?:[-.+]?\w)*[-.+]?\d(?:[-.+]?\w)*")
SEVERAL = re.compile(r"(?i)…(?:[\s,;&]+(?:and\s+|or\s+)?…)+")
MAIL = re.compile(r"(?<![^\s@<>\"(),;:])[^\s@<>\"(),;:]*@[^\s@<>\"(),;:]+")
MAILBOX = re.compile(r"[\w.+-]+(?:@|%40)[\w-]+\.\w", re.IGNORECASE)
# Behind 00 a country's code and a gap: an ERP's numbers and GTINs begin with zeros too.
PHONE = re.compile(r"(?<![\w-])(?:\+\d|00[1-9]\d{0,2}[ ()/.-])[\d ()/.-]{6,}\d")


def in_general(words: str) -> str:
    """What all records of one cause are told alike: quoted values, addresses, numbers and ids are left out."""
    said = " ".join(words.split())
    for pattern in (SKU, QUOTED, WEB, WITH_DIGIT, SEVERAL):
        said = pattern.sub(LEFT_OUT, said)
    return said


def fingerprint(code: str, words: str) -> str:
    """The same for the same cause. The code counts as it is, and capitals do not."""
    said = (" ".join(code.split()), in_general(words))
    return ": ".join(part for part in said if part).casefold()[:LONGEST_CAUSE]


def cause(connection_id: int, flow: str, mark: str = "") -> str:
    """The subject of a case: `mark` is a fingerprint, or nothing for all of a flow that no other case has."""
    return f"{connection_id}:{flow}:{mark}"


def without_people(words: str) -> str:
    """E-mail addresses and phone numbers are masked: what a platform says may quote a buyer."""
    return PHONE.sub("(phone)", MAIL.sub("(e-mail)", words))


def names_a_person(value: str) -> bool:
    """Whether an e-mail address stands in an id or in a web address."""
    return bool(MAILBOX.search(value))


class Judged(NamedTuple):
    """What the platform's own words say: "transient", "structural" or "unknown", and why."""

    diagnosis: Literal["transient", "structural", "unknown"]
    why: str


SIGNS: tuple[tuple[str, Judged], ...] = (
    (
        r"\b429\b|too many requests|throttl|rate.?limit|quota ?exceeded|concurren\w+ (limit|request)",
        Judged("transient", "The system behind it was asked too often. The same record may pass in a minute."),
    ),
    (
        r"\b(500|502|503|504)\b|time[d -]*out|unavailable|maintenance|connection (reset|refused|closed)|internal (server )?error"
        r"|service (is )?down|try again later|locked by another|deadlock",
        Judged("transient", "The system behind it did not answer, or was busy. That is theirs, and may be over."),
    ),
    (
        r"\b(401|403)\b|unauthori[sz]ed|forbidden|access denied|permission"
        r"|invalid.?(token|grant|credential)|expired (token|password)",
        Judged("structural", "The system behind it does not let the platform in. Its sign-in there is to be mended first."),
    ),
    (
        r"\b(400|404|409|422)\b|not found|does not exist|unknown|missing|required|mandatory|invalid|not (a )?valid|unmapped"
        r"|no mapping|duplicate|already exists|mismatch|must be|cannot be|too long|closed|blocked|inactive|not allowed",
        Judged("structural", "The record was looked at and refused. Asking again brings the same until our set-up is mended."),
    ),
)
NOT_KNOWN = Judged("unknown", "The platform's words do not say whether it may pass the next time.")


def judged(code: str, words: str) -> Judged:
    said = f"{code} {words}".casefold()
    return next((verdict for pattern, verdict in SIGNS if re.search(pattern, said)), NOT_KNOWN)


class Meaning(NamedTuple):
    """`state` is a Retry.State; "waiting" is to be sent again later, since it was certainly not taken."""

    state: Literal["taken", "waiting", "unknown", "refused", "shut"]
    words: str


def meaning_of(status: int, words: str, host: str) -> Meaning:
    """What the HTTP status of an answer to a retry means. Only what says that nothing was taken may be sent again."""
    said = f"{host} answered {status}{f': {words}' if words else ''}."
    if 200 <= status < 300:
        return Meaning("taken", said)
    if status in (401, 403):
        return Meaning("shut", said)
    if status in (408, 425, 429, 503):
        return Meaning("waiting", said)
    if 300 <= status < 400:
        return Meaning("refused", f"{host} sent us elsewhere ({status}), and we do not follow.")
    if status < 500:
        return Meaning("refused", said)
    return Meaning("unknown", said)


def wait(tries: int, asked: timedelta | None) -> timedelta | None:
    """How long until the next try of what was not taken `tries` times; None: no more. `asked` is the answer's Retry-After."""
    if tries > len(BACKOFF):
        return None
    return min(max(BACKOFF[tries - 1], asked or timedelta()), LONGEST_WAIT)
