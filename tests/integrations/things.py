"""A feed as small as can be, and an outside system that brings it: pages of {key: text}, and the faults it is told to have.

A thing whose text is None cannot be read. Things are kept as commands, since those are rows of this app with a key.
"""

from collections.abc import Callable, Generator, Iterable
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from apps.core.errors import Refused
from apps.core.models import Entity
from apps.integrations.contract import Checked, ConfigError, ConnectorError, Document, Evidence, Page, Record
from apps.integrations.feeds import Feed, Stored, Unreadable
from apps.integrations.models import Command, Connection

FEED = "tests.things"
EVERY, QUIET_AFTER = timedelta(minutes=10), timedelta(hours=1)


def store(source, page: Page, files) -> Stored:
    stored, entity = Stored(), source.connection.entity
    for record in page.records:
        if record.data["text"] is None:
            stored.unreadable.append(Unreadable(key=record.key, raw=record.data, words="text: expected words"))
            continue
        if record.data["text"] == "refused":
            raise Refused("No thing like this can be taken.")
        found, added = Command.objects.get_or_create(
            entity=entity, key=record.key, defaults={"target": "tests", "kind": "thing", "payload": record.data}
        )
        if added:
            stored.added += 1
        elif found.payload != record.data:
            found.payload = record.data
            found.save()
            stored.changed += 1
        else:
            stored.unchanged += 1
    stored.added += len(files)
    return stored


def feed(kind: Connection.Kind = Connection.Kind.AMAZON, name: str = FEED) -> Feed:
    return Feed(name=name, title="Things", kind=kind, every=EVERY, quiet_after=QUIET_AFTER, store=store)


def things(entity: Entity) -> dict[str, str]:
    return {command.key: command.payload["text"] for command in Command.objects.filter(entity=entity)}


class Outside:
    """The system. `faults` is what it answers to the next calls, in order; None lets a call through."""

    def __init__(self) -> None:
        self.pages: list[dict[str, str | None]] = [{"a": "one", "b": "two"}, {"c": "three"}]
        self.faults: list[ConnectorError | Exception | None] = []
        self.documents: list[Path] = []
        self.asked: list[int] = []
        self.proves = True  # whether its last page says up to when it has told everything
        self.before_page: Callable[[int], None] = lambda number: None

    def __call__(self, connection: Connection) -> "Outside":
        return self

    def check(self) -> Checked:
        self._answer()
        return Checked(words="Northbay sells in 2 marketplaces.", marketplaces=("A1F83G8C2ARO7P",))

    def moved(self, feed: str, cursor, *, added: bool) -> dict:
        return {}

    def pull(self, feed: str, cursor) -> Generator[Page]:
        begun = timezone.now()
        for number in range(cursor.get("page", 0), len(self.pages)):
            self.before_page(number)
            self.asked.append(number)
            self._answer()
            last = number == len(self.pages) - 1
            yield Page(
                records=[Record.of(key, {"text": text}) for key, text in self.pages[number].items()],
                documents=[Document(key=path.name, name=path.name, path=path) for path in self.documents],
                cursor={"page": 0 if last else number + 1},
                asked_at=begun if last and self.proves else None,
            )

    def _answer(self) -> None:
        if self.faults and (fault := self.faults.pop(0)):
            raise fault

    def fail(self, faults: Iterable[Exception | None]) -> None:
        self.faults.extend(faults)


def evidence(status: int | None = 503, code: str = "", operation: str = "getThings") -> Evidence:
    words = f"It answered {status}." if status else "It gave no answer in 30 s."
    return Evidence(operation=operation, words=words, status=status, code=code, request_id="b7e1-40fd")


def revoked() -> ConfigError:
    return ConfigError(evidence(403, "Unauthorized"))
