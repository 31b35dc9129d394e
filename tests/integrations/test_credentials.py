"""What a connection signs in with is sealed at rest, opened with any of the keys, and written down nowhere else."""

import io
import json
import logging

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection as database

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.integrations.credentials import open_sealed, seal
from apps.integrations.models import Credential
from tests.factories import ConnectionFactory, person

pytestmark = pytest.mark.django_db
VALUES = {"refresh_token": "Atzr|made-up-refresh", "client_id": "made-up-app", "client_secret": "made-up-secret"}
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def connection(entity):
    return ConnectionFactory(entity=entity, name="Brightfold UK")


def sealed_bytes() -> bytes:
    with database.cursor() as cursor:
        cursor.execute("SELECT string_agg(sealed, ''::bytea) FROM integrations_credential")
        return bytes(cursor.fetchone()[0])


def rotate() -> str:
    out = io.StringIO()
    call_command("rotate_credentials", stdout=out)
    return out.getvalue().strip()


def test_what_is_sealed_opens_again_and_the_table_holds_none_of_it(connection, entity):
    seal(connection, VALUES, person(Role.ADMIN, entity))
    assert open_sealed(connection) == VALUES
    assert not any(value.encode() in sealed_bytes() for value in VALUES.values())


def test_sealing_again_replaces_what_was_there(connection):
    first = seal(connection, VALUES, None).sealed
    seal(connection, {**VALUES, "client_secret": "  another \n"}, None)
    assert open_sealed(connection)["client_secret"] == "another"
    assert Credential.objects.count() == 1 and sealed_bytes() != first


def test_values_are_in_no_audit_entry_log_or_repr(connection, entity, caplog):
    with caplog.at_level(logging.DEBUG):
        credential = seal(connection, VALUES, person(Role.ADMIN, entity))
        open_sealed(connection)
    entry = AuditEntry.objects.get(verb="credentials.sealed")
    assert entry.after["credentials"] == "client_id, client_secret, refresh_token"
    told = f"{json.dumps([entry.before, entry.after])} {entry} {credential!r} {vars(credential)} {caplog.text}"
    assert not any(value in told for value in VALUES.values())


@pytest.mark.parametrize("role", Role)
def test_only_admins_seal(role, connection, entity):
    if role == Role.ADMIN:
        assert seal(connection, VALUES, person(role, entity)).changed_by.roles_in(entity.pk) == {role}
    else:
        with pytest.raises(NotAllowed):
            seal(connection, VALUES, person(role, entity))
        assert not Credential.objects.exists()


def test_an_empty_value_is_refused_beside_its_field(connection):
    with pytest.raises(Refused, match="Enter the client secret") as refused:
        seal(connection, {**VALUES, "client_secret": " "}, None)
    assert refused.value.field == "client_secret" and not Credential.objects.exists()


def test_a_connection_without_credentials_says_so(connection):
    with pytest.raises(Refused, match="Brightfold UK has no credentials yet"):
        open_sealed(connection)


def test_rotation_moves_everything_to_the_first_key(connection, entity, settings):
    other = ConnectionFactory(entity=entity)
    settings.CREDENTIAL_KEYS = [OLD]
    seal(connection, VALUES, None)
    settings.CREDENTIAL_KEYS = [NEW, OLD]
    seal(other, VALUES, None)
    assert rotate() == "2 secrets are sealed with the first key now."
    settings.CREDENTIAL_KEYS = [NEW]
    assert open_sealed(connection) == open_sealed(other) == VALUES
    assert AuditEntry.objects.filter(verb="credentials.rotated", entity=entity).count() == 2


def test_rotation_does_nothing_where_one_cannot_be_opened(connection, entity, settings):
    settings.CREDENTIAL_KEYS = [OLD]
    seal(ConnectionFactory(entity=entity), VALUES, None)
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    seal(connection, VALUES, None)
    before = sealed_bytes()
    settings.CREDENTIAL_KEYS = [NEW, OLD]
    with pytest.raises(CommandError, match="Brightfold UK were sealed with a key that is not there any more"):
        rotate()
    assert sealed_bytes() == before


def test_a_lost_key_gives_words(connection, settings):
    settings.CREDENTIAL_KEYS = [OLD]
    seal(connection, VALUES, None)
    settings.CREDENTIAL_KEYS = [NEW]
    with pytest.raises(Refused, match="Put that key back into OPSCONSOLE_CREDENTIAL_KEYS, or enter the credentials"):
        open_sealed(connection)


def test_a_mistyped_key_is_named_by_its_place_and_not_repeated(connection, settings):
    settings.CREDENTIAL_KEYS = [NEW, "mistyped"]
    with pytest.raises(Refused, match="Key 2 of OPSCONSOLE_CREDENTIAL_KEYS") as refused:
        seal(connection, VALUES, None)
    assert "mistyped" not in refused.value.words
