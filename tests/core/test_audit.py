"""The audit trail can be added to and read. Nobody rewrites it: not the web process, not even the tables' owner."""

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, connections, transaction

from apps.core.models import AuditEntry
from tests.factories import EntityFactory, UserFactory

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

REWRITES = [
    "UPDATE core_auditentry SET reason = 'other'",
    "DELETE FROM core_auditentry",
    "TRUNCATE core_auditentry",
    "TRUNCATE core_user CASCADE",
    "ALTER TABLE core_auditentry DISABLE TRIGGER append_only",
    "ALTER TABLE core_auditentry DISABLE TRIGGER ALL",
    "DROP TRIGGER append_only ON core_auditentry",
    "CREATE OR REPLACE FUNCTION core_audit_refuses() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "DROP TABLE core_auditentry CASCADE",
    "ALTER TABLE core_auditentry RENAME TO elsewhere",
    "CREATE RULE quiet AS ON INSERT TO core_auditentry DO INSTEAD NOTHING",
    "SET session_replication_role = replica",
    "SET ROLE opsconsole_owner",
    "INSERT INTO core_auditentry (id, actor_name, verb, subject, before, after, reason) OVERRIDING SYSTEM VALUE"
    " SELECT id, 'x', 'x', 'x', '{}', '{}', '' FROM core_auditentry ON CONFLICT (id) DO UPDATE SET reason = 'other'",
]


def entry() -> AuditEntry:
    return AuditEntry.objects.record(
        actor=UserFactory(name="Marta Lis"),
        entity=EntityFactory(),
        verb="fee.mapped",
        subject="case:1",
        before={"account": ""},
        after={"account": "5110"},
        reason="New fee",
    )


def test_the_tests_connect_as_the_web_process_does():
    assert connection.settings_dict["USER"] == settings.DATABASES["default"]["USER"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, tableowner FROM pg_tables WHERE tablename = 'core_auditentry'")
        user, owner = cursor.fetchone()
    assert user == settings.DATABASES["default"]["USER"]
    assert user != owner


def test_an_entry_says_who_what_when_and_why():
    written = AuditEntry.objects.get(pk=entry().pk)
    assert (written.actor.name, written.actor_name, written.reason) == ("Marta Lis", "Marta Lis", "New fee")
    assert (written.before, written.after) == ({"account": ""}, {"account": "5110"})
    assert written.at is not None


@pytest.mark.parametrize("rewrite", REWRITES)
def test_the_web_process_cannot_rewrite_it(rewrite):
    written = entry()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(rewrite)
    assert AuditEntry.objects.get(pk=written.pk).reason == "New fee"


def test_the_web_process_cannot_give_itself_the_right():
    entry()
    with connection.cursor() as cursor:
        cursor.execute("GRANT UPDATE, DELETE, TRUNCATE ON core_auditentry TO CURRENT_USER")  # a warning, and no more
        cursor.execute(
            "SELECT has_table_privilege('core_auditentry', 'UPDATE'), has_table_privilege('core_auditentry', 'DELETE'),"
            " has_table_privilege('core_auditentry', 'TRUNCATE')"
        )
        assert cursor.fetchone() == (False, False, False)


def test_the_orm_has_no_way_round():
    written = entry()
    written.reason = "other"
    with pytest.raises(DatabaseError), transaction.atomic():
        written.save()
    with pytest.raises(DatabaseError), transaction.atomic():
        written.delete()
    with pytest.raises(DatabaseError), transaction.atomic():
        AuditEntry.objects.all().delete()


@pytest.mark.parametrize("rewrite", REWRITES[:2])
def test_even_the_owner_is_refused_by_the_trigger(rewrite):
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_auditentry (actor_name, verb, subject, before, after, reason)"
            " VALUES ('opsconsole', 'x', 'x', '{}', '{}', '')"
        )
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(using="owner"),
        connections["owner"].cursor() as cursor,
    ):
        cursor.execute(rewrite)
