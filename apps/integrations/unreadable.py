"""What could not be read: kept in its raw form until it comes readable."""

from typing import Any

from django.db.models.functions import Now

from apps.integrations.contract import Document, Page, Record
from apps.integrations.feeds import Stored, Unreadable
from apps.integrations.models import Source, UnreadableRecord

KEY_LENGTH = UnreadableRecord._meta.get_field("key").max_length


def keep_unreadable(source: Source, page: Page, stored: Stored, unread: set[str]) -> None:
    """Keep what cannot be read; what was unreadable and now came readable is over, and its raw form is let go."""
    unreadable = {_key(record): record for record in stored.unreadable}
    came = {_key(each) for each in (*page.records, *page.documents)} - unreadable.keys()
    if over := came & unread:
        UnreadableRecord.objects.filter(source=source, key__in=over, read_at=None).update(read_at=Now(), raw={})
    UnreadableRecord.objects.bulk_create(
        [_row(source, key, record) for key, record in unreadable.items()],
        update_conflicts=True,
        unique_fields=["source", "key"],
        update_fields=["raw", "words", "last_seen_at", "read_at"],
    )
    unread -= over
    unread |= unreadable.keys()


def _key(record: Record | Document | Unreadable) -> str:
    return _storable(record.key)[:KEY_LENGTH]


def _row(source: Source, key: str, record: Unreadable) -> UnreadableRecord:
    return UnreadableRecord(source=source, key=key, raw=_storable(record.raw), words=_storable(record.words))


def _storable(raw: Any) -> Any:
    """JSON as PostgreSQL holds it: what it refuses in a text is shown as a replacement character."""
    match raw:
        case str():
            return raw.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
        case dict():
            return {_storable(str(key)): _storable(value) for key, value in raw.items()}
        case list() | tuple():
            return [_storable(value) for value in raw]
        case bool() | int() | None:
            return raw
        case float() if raw - raw == 0:
            return raw
    return _storable(str(raw))
