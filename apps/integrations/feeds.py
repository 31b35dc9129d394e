"""What a feed is: a stream of records from one kind of connection, and how its domain stores a page. Domains declare them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F
from django.utils import timezone

from apps.core.models import Entity
from apps.integrations.contract import Page
from apps.integrations.models import Connection, Source, StoredFile


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A record that cannot be read: kept raw, raised as a case, never in the way of the others. `words` name the field."""

    key: str
    raw: Any
    words: str


@dataclass(kw_only=True)
class Stored:
    """What became of a page's records. A replay of known records reports them unchanged."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)

    @property
    def seen(self) -> int:
        return self.added + self.changed + self.unchanged + len(self.unreadable)


@dataclass(frozen=True, kw_only=True)
class Feed:
    """`store(source, page, files)` writes a page inside the transaction that moves the cursor; `files` are the page's
    documents as stored, in order. `after(source)` runs once the run has ended well, outside any transaction.

    `moved(source)` runs in the transaction that changes the marketplaces of the connection, if the feed goes by them.

    `every` is the schedule that a new connection starts with; with nothing proven for `quiet_after` the feed is stale.
    `opens` are the exception types whose cases come of what it brings; `read_by` is the kind of job that reads what it brings
    in its own time, where the run only stores it.
    """

    name: str
    title: str
    kind: Connection.Kind
    every: timedelta
    quiet_after: timedelta
    store: Callable[[Source, Page, Sequence[StoredFile]], Stored]
    after: Callable[[Source], None] = lambda source: None
    moved: Callable[[Source], None] = lambda source: None
    opens: tuple[str, ...] = ()
    read_by: str = ""


FEEDS: dict[str, Feed] = {}


def register_feed(feed: Feed) -> Feed:
    """Add a feed. A name declared twice is a mistake of ours and stops the start."""
    if feed.name in FEEDS:
        raise ValueError(f"feed {feed.name} is declared twice")
    FEEDS[feed.name] = feed
    return feed


def feeding(code: str, entity_id: int) -> list[Feed]:
    """The feeds that cases of this type come of and that run in the company, by title."""
    running = Source.objects.filter(connection__entity=entity_id, paused=False).values_list("feed", flat=True).distinct()
    return sorted((FEEDS[name] for name in running if name in FEEDS and code in FEEDS[name].opens), key=lambda feed: feed.title)


def title_of(source: Source) -> str:
    """What people call its feed: its name, where no program here knows it."""
    return FEEDS[source.feed].title if source.feed in FEEDS else source.feed


def expected_by(source: Source) -> datetime:
    """When the source has to have proven itself at the latest; silence that lasts longer is no good sign."""
    return max(source.proven_at or source.watched_from, source.watched_from) + FEEDS[source.feed].quiet_after


def silent(*names: str) -> Callable[[Entity], dict[str, str]]:
    """The doubts of a type whose truth lies in these feeds, and whose subjects begin with a connection's id: silence is not
    recovery. A feed is silent until it proves itself, and a paused one proves nothing; a connection without such a feed
    knows from elsewhere.
    """

    def doubts(entity: Entity) -> dict[str, str]:
        now = timezone.now()
        sources = Source.objects.filter(connection__entity=entity, feed__in=names).select_related("connection")
        return {
            f"^{source.connection_id}([^0-9]|$)": _silence(source, ZoneInfo(entity.zone))
            for source in sources.order_by(F("proven_at").desc(nulls_last=True))  # of several the longest silence is told
            if not source.proven_at or source.proven_at < now - FEEDS[source.feed].quiet_after
        }

    return doubts


def _silence(source: Source, zone: ZoneInfo) -> str:
    connection, title = source.connection, title_of(source)
    why = ": it is paused" if source.paused else ": the connection is not let in" if connection.revoked_at else ""
    if not source.proven_at:
        return f"The feed “{title}” of {connection} has proven nothing yet{why}."
    return f"The feed “{title}” of {connection} is silent since {source.proven_at.astimezone(zone):%-d %b %H:%M}{why}."
