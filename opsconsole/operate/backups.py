"""A backup is a folder: the database, the stored files, and a manifest with the hash of each, written last.

The keys that open credentials are not in it, only their fingerprints, so that a restore can say when they do not fit. The
database comes first and the files after it: they are written before the rows that name them and never change, so that all
that the dump names are there.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import file_digest, sha256
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import connections, transaction

from apps.integrations.credentials import fingerprints
from apps.integrations.files import FOLDER
from apps.integrations.models import Credential
from opsconsole.operate import pg_tools
from opsconsole.settings import OWNER

FORMAT = 1
MANIFEST, DUMP, FILES = "manifest.json", "database.dump", "files"
CHUNK = 1 << 20
# Statements, not models: what was restored may be of an earlier version, which migrate has yet to bring to this one.
SIGN_OUT = {
    "django_session": "DELETE FROM django_session",
    "core_signin": "UPDATE core_signin SET ended_at = now() WHERE ended_at IS NULL",
}
TOKENS = """
    SELECT t.name, t.prefix, u.email, t.expires_at FROM core_apitoken t JOIN core_user u ON u.id = t.user_id
    WHERE t.revoked_at IS NULL AND t.expires_at > now() AND u.is_active ORDER BY u.email, t.id
"""


class BackupError(Exception):
    """One sentence for the person at the terminal."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """`roles` are {"application": name, "owner": name}: the grants name them. `files` are {path in the storage: SHA-256}."""

    format: int
    made_at: str
    server: int
    roles: dict[str, str]
    keys: list[str]
    dump: str
    files: dict[str, str]


def make(folder: Path, say: Callable[[str], None]) -> Manifest:
    """Write a backup into an empty folder. Web and workers may go on."""
    if folder.exists() and any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty. A backup goes into a folder of its own.")
    (folder / FILES).mkdir(mode=0o700, parents=True)
    folder.chmod(0o700)
    say("The database")
    pg_tools.run("pg_dump", "--format=custom", "--no-owner", "--file", folder / DUMP)
    say("The stored files")
    manifest = Manifest(
        format=FORMAT,
        made_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        server=pg_tools.server_version(),
        roles=_roles(),
        keys=fingerprints(),
        dump=_hash(folder / DUMP),
        files={path: _copy_out(path, folder / FILES) for path in _stored()},
    )
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1))
    return manifest


def restore(folder: Path, *, replace: bool, say: Callable[[str], None]) -> Manifest:
    """Put a backup in place of what is here. Nothing is touched before all of the backup has been read and found whole. Sessions
    of then are over; API tokens are as they were, which living_tokens says.
    """
    manifest = _read(folder)
    say("Whether the backup is whole")
    _check_whole(folder, manifest)
    _check_target(manifest, replace)
    say("The database")
    with transaction.atomic(using=OWNER), connections[OWNER].cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '10s'")
        cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    pg_tools.run(
        *("pg_restore", "--no-owner", "--single-transaction", "--exit-on-error"),
        *(f"--dbname={connections[OWNER].settings_dict['NAME']}", folder / DUMP),
    )
    _sign_everybody_out()
    say("The stored files")
    for path in manifest.files:
        _copy_in(path, folder / FILES)
    connections.close_all()  # what they knew of the tables is gone
    return manifest


def lost_keys(manifest: Manifest) -> str:
    """In words, where no key here can open the credentials of the backup; empty where all is well or there are none."""
    if set(manifest.keys) & set(fingerprints()) or not Credential.objects.exists():
        return ""
    return (
        f"The credentials of {Credential.objects.count()} connections were sealed with a key that is not here (its fingerprint "
        f"is one of {', '.join(manifest.keys)}). Put it into OPSCONSOLE_CREDENTIAL_KEYS, or enter the credentials again."
    )


def living_tokens() -> str:
    """In words, the API tokens that are in force, among them those that were revoked after the backup; empty if there are none.

    They are not revoked here: what works with them would stand still after each restore.
    """
    if "core_apitoken" not in _tables():
        return ""
    with connections[OWNER].cursor() as cursor:
        cursor.execute(TOKENS)
        found = [f"{name} ({prefix}…) of {email}, until {until:%Y-%m-%d}" for name, prefix, email, until in cursor.fetchall()]
    if not found:
        return ""
    return (
        "API tokens work as they did when the backup was made, also if they were revoked since. Each person revokes theirs "
        "under Account, an admin those of their people under People. In force: " + "; ".join(found) + "."
    )


def _sign_everybody_out() -> None:
    with transaction.atomic(using=OWNER), connections[OWNER].cursor() as cursor:
        for table, statement in SIGN_OUT.items():
            if table in _tables():
                cursor.execute(statement)


def _tables() -> list[str]:
    return connections[OWNER].introspection.table_names()


def _read(folder: Path) -> Manifest:
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text()))
    except FileNotFoundError:
        raise BackupError(f"{folder} has no {MANIFEST}: it is no backup, or one that was broken off.") from None
    except (TypeError, ValueError):
        raise BackupError(f"{folder / MANIFEST} cannot be read, so {folder} is not restored.") from None
    if manifest.format != FORMAT:
        raise BackupError(f"{folder} has the format {manifest.format}; this program reads {FORMAT}.")
    return manifest


def _check_whole(folder: Path, manifest: Manifest) -> None:
    hashes = {DUMP: manifest.dump, **{f"{FILES}/{path}": digest for path, digest in manifest.files.items()}}
    for name, digest in hashes.items():
        place = folder / name
        if not place.resolve().is_relative_to(folder.resolve()):
            raise BackupError(f"{MANIFEST} names {name}, which is outside {folder}. Nothing was changed.")
        if not place.is_file() or _hash(place) != digest:
            raise BackupError(f"{place} is missing or is not as it was written. Nothing was changed.")


def _check_target(manifest: Manifest, replace: bool) -> None:
    if _roles() != manifest.roles:
        application, owner = manifest.roles["application"], manifest.roles["owner"]
        raise BackupError(
            f"The backup's grants are for the roles {application} (DATABASE_URL) and {owner} (DATABASE_OWNER_URL). Restore into "
            "a database with roles of these names. Nothing was changed."
        )
    if replace:
        return
    if connections[OWNER].introspection.table_names():
        raise BackupError("The database is not empty. --replace deletes what is in it. Nothing was changed.")
    if next(_stored(), None):
        raise BackupError(f"{settings.MEDIA_ROOT} is not empty. --replace puts the backup's files to those. Nothing was changed.")


def _roles() -> dict[str, str]:
    return {"application": settings.DATABASES["default"]["USER"], "owner": settings.DATABASES[OWNER]["USER"]}


def _stored() -> Iterator[str]:
    """Paths in the storage."""
    if default_storage.exists(FOLDER):
        _, names = default_storage.listdir(FOLDER)
        yield from (f"{FOLDER}/{name}" for name in sorted(names))


def _copy_out(path: str, files: Path) -> str:
    """Copy the stored file and return its hash. Its name is the hash it came with: bytes that have changed since are said."""
    target = files / path
    target.parent.mkdir(mode=0o700, exist_ok=True)
    digest = sha256()
    with default_storage.open(path, "rb") as source, open(target, "wb") as copy:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            copy.write(chunk)
    if not Path(path).name.startswith(digest.hexdigest()):
        raise BackupError(f"The stored file {path} is not what it was when it came: its hash is {digest.hexdigest()}.")
    return digest.hexdigest()


def _copy_in(path: str, files: Path) -> None:
    if not default_storage.exists(path):
        with open(files / path, "rb") as copy:
            default_storage.save(path, File(copy))


def _hash(path: Path) -> str:
    with open(path, "rb") as file:
        return file_digest(file, "sha256").hexdigest()
