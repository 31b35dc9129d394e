"""A backup put into a fresh database and folder is what was backed up: rows, guards, files, credentials."""

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet
from django.conf import settings as configured
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.core.models import ApiToken
from apps.core.tokens import issue, revoke
from apps.integrations.credentials import seal
from apps.integrations.files import store
from apps.integrations.models import StoredFile
from tests.children import environment
from tests.factories import ConnectionFactory
from tests.operate.databases import another_database, connect, counts
from tests.settlements.books import settle

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

SIGNED_IN = {"refresh_token": "Atzr|made-up", "client_id": "made-up-app"}


@pytest.fixture
def key(settings) -> str:
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    return settings.CREDENTIAL_KEYS[0]


@pytest.fixture
def backup(place, priya, key, settings, tmp_path) -> Path:
    """Of a settlement, its file, and a connection with credentials."""
    settings.MEDIA_ROOT = tmp_path / "files"
    settle(place, "30000000001")
    seal(place, SIGNED_IN, None)
    Client().force_login(priya, backend="django.contrib.auth.backends.ModelBackend")
    issue(user=priya, name="Patchworks", expires_at=timezone.now() + timedelta(days=30))
    revoke(token=issue(user=priya, name="Gone", expires_at=timezone.now() + timedelta(days=30))[0], actor=priya)
    folder = tmp_path / "backup"
    call_command("backup", str(folder))
    return folder


def run(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=configured.BASE_DIR, env=env, capture_output=True, text=True, timeout=300)


def test_all_of_it_comes_back(backup, place, priya, key, tmp_path):
    with another_database("restored") as name:
        env = environment(name) | {"FILES_ROOT": str(tmp_path / "restored"), "OPSCONSOLE_CREDENTIAL_KEYS": key}
        done = run(env, "manage.py", "restore", str(backup))
        assert done.returncode == 0, done.stderr
        assert "is back, with 1 files. Run manage.py migrate now." in done.stdout
        assert "key" not in done.stderr

        before = counts(connection.settings_dict["NAME"])
        assert before.pop("django_session") == 1 and before["settlements_settlementline"]
        assert counts(name) == before | {"django_session": 0}
        assert "Everybody is signed out." in done.stdout
        with connect("owner", name) as owner:
            assert owner.execute("SELECT count(*) FROM core_signin WHERE ended_at IS NULL").fetchone() == (0,)
        token = ApiToken.objects.get(name="Patchworks")
        assert f"In force: Patchworks ({token.prefix}…) of {priya.email}, until {token.expires_at:%Y-%m-%d}." in done.stderr
        looked = run(env, "-m", "tests.operate.looking", priya.email, "/settlements/30000000001/", "/readyz")
        seen = json.loads(looked.stdout or looked.stderr)
        assert seen["/settlements/30000000001/"] == [200, "Settlement 30000000001 ties out to the cent"]
        assert seen["credentials"] == {place.name: SIGNED_IN}

        with connect("default", name) as application, pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("UPDATE core_auditentry SET reason = 'other'")
        with connect("owner", name) as owner, pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            owner.execute("DELETE FROM core_auditentry")
        with connect("default", name) as application:
            application.execute("INSERT INTO core_auditentry (actor_name, verb, subject, before, after, reason)"
                                " VALUES ('opsconsole', 'any', 'any:1', '{}', '{}', '')")  # fmt: skip
        (stored,) = StoredFile.objects.all()
        assert sha256((tmp_path / "restored" / stored.path).read_bytes()).hexdigest() == stored.sha256

        another = env | {"OPSCONSOLE_CREDENTIAL_KEYS": Fernet.generate_key().decode()}
        refused = run(another, "manage.py", "restore", str(backup))
        assert (refused.returncode, "The database is not empty." in refused.stderr) == (1, True)
        replaced = run(another, "manage.py", "restore", str(backup), "--replace")
        assert replaced.returncode == 0, replaced.stderr
        assert counts(name) == before | {"django_session": 0}
        assert "sealed with a key that is not here" in replaced.stderr
        assert key not in (backup / "manifest.json").read_text() + replaced.stderr


def cut(place: Path) -> None:
    place.write_bytes(place.read_bytes()[:-1])


def said_otherwise(backup: Path, **changes: dict) -> None:
    manifest = json.loads((backup / "manifest.json").read_text())
    for name, more in changes.items():
        manifest[name] |= more
    (backup / "manifest.json").write_text(json.dumps(manifest))


DAMAGES = {
    "it is no backup, or one that was broken off": lambda backup: (backup / "manifest.json").unlink(),
    "database.dump is missing or is not as it was written": lambda backup: cut(backup / "database.dump"),
    "/raw/.* is missing or is not as it was written": lambda backup: cut(next((backup / "files/raw").iterdir())),
    "which is outside": lambda backup: said_otherwise(backup, files={"../../../etc/hostname": "0" * 64}),
    "are for the roles console_app": lambda backup: said_otherwise(backup, roles={"application": "console_app"}),
}


def test_what_cannot_be_restored_is_said_and_changes_nothing(backup, tmp_path):
    before = counts(connection.settings_dict["NAME"])
    with pytest.raises(CommandError, match=r"The database is not empty\. --replace deletes"):
        call_command("restore", str(backup))
    with pytest.raises(CommandError, match=r"is not empty\. A backup goes into a folder of its own"):
        call_command("backup", str(backup))
    for number, (words, damage) in enumerate(DAMAGES.items()):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(backup, copy)
        damage(copy)
        with pytest.raises(CommandError, match=words):
            call_command("restore", str(copy), "--replace")
    assert counts(connection.settings_dict["NAME"]) == before


def test_a_stored_file_that_has_changed_since_is_said(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "files"
    stored = store(connection=ConnectionFactory(), name="any.txt", chunks=[b"as it came"], actor=None)
    (tmp_path / "files" / stored.path).write_bytes(b"as somebody wrote it")
    with pytest.raises(CommandError, match="is not what it was when it came"):
        call_command("backup", str(tmp_path / "backup"))
