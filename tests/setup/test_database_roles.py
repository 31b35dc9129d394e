"""The application's role works in a test database that the owner's role made."""

import pytest
from django.db import connection, connections


def who(alias: str) -> tuple[str, str]:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT current_user, current_database()")
        return cursor.fetchone()


@pytest.mark.django_db
def test_tests_run_as_the_application():
    user, database = who("default")
    assert user == "opsconsole"
    assert database.startswith("test_opsconsole")
    assert who("owner") == ("opsconsole_owner", database)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("run", ["first", "second"])
def test_a_transactional_test_starts_empty(run, django_user_model):
    assert not django_user_model.objects.exists()
    django_user_model.objects.create(email="left.over@example.com")


@pytest.mark.django_db
def test_the_application_changes_no_table():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_has_role(current_user, 'opsconsole_owner', 'member'),"
            " has_schema_privilege(current_user, 'public', 'CREATE'), rolcreatedb OR rolsuper OR rolcreaterole"
            " FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == (False, False, False)
