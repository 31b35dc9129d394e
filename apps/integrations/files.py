"""Raw files, kept as they came before anything reads them: immutable, named by their hash, the same bytes once."""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage

from apps.core.errors import Refused
from apps.core.models import User
from apps.integrations.models import Connection, StoredFile

FOLDER = "raw"


class _Arrived(File):
    """A complete local file. The storage takes it by renaming where it can, by copying where it must."""

    def temporary_file_path(self) -> str:
        return self.file.name


@dataclass(frozen=True)
class Kept:
    """Bytes in the storage. `path`: where."""

    sha256: str
    size: int
    path: str


def store(*, connection: Connection, name: str, chunks: Iterable[bytes], actor: User | None) -> StoredFile:
    """Keep the bytes and return their row; bytes that the connection brought before return the row they have.

    Call it outside a transaction: the bytes flow for as long as the sender takes. When it returns they are on the disk;
    where it fails, nothing counts as stored.
    """
    kept = keep(chunks)
    row, created = StoredFile.objects.get_or_create(
        connection=connection,
        sha256=kept.sha256,
        defaults={"name": readable(name), "size": kept.size, "path": kept.path, "received_by": actor},
    )
    if not created and row.path != kept.path:  # somebody stored the same bytes in the same moment
        default_storage.delete(kept.path)
    return row


def keep(chunks: Iterable[bytes]) -> Kept:
    """Put the bytes into the storage, outside a transaction, for a row of the caller's."""
    # On the storage's own disk, so that taking the file is a rename: it is there whole or not at all.
    incoming = Path(settings.MEDIA_ROOT) / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=incoming, delete=False) as draft:
        try:
            digest = hashlib.sha256()
            for chunk in chunks:
                digest.update(chunk)
                draft.write(chunk)
            draft.flush()
            os.fsync(draft.fileno())
            return Kept(digest.hexdigest(), draft.tell(), _take(draft, digest.hexdigest()))
        finally:
            Path(draft.name).unlink(missing_ok=True)


def readable(name: str) -> str:
    """The file's own name, as far as it is text: a disk keeps names that are none."""
    return Path(name).name.encode(errors="replace").decode()[:255]


class Named(Protocol):
    """A row that keeps a file."""

    name: str
    path: str


def open_raw(file: Named) -> BinaryIO:
    """The file's bytes, seekable. Close it."""
    try:
        return default_storage.open(file.path, "rb")
    except FileNotFoundError as error:
        raise Refused(
            f"The raw copy of {file.name} is not in the storage. Expected {file.path}. Upload the file again.",
            code="raw-copy-missing",
        ) from error


def _take(draft: BinaryIO, digest: str) -> str:
    path = f"{FOLDER}/{digest}"
    if not default_storage.exists(path):
        path = default_storage.save(path, _Arrived(draft))
        _make_durable(path)
    return path


def _make_durable(path: str) -> None:
    """A rename is on the disk when its folder is."""
    try:
        folder = Path(default_storage.path(path)).parent
    except NotImplementedError:  # a remote storage: what it has taken is durable
        return
    for place in (folder, folder.parent):
        handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
