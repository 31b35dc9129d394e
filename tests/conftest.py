"""Tests speak to the database as the running web process does: as the application's role.

The owner's role creates, migrates and empties the test database, because the application's may do none of that.
"""

import pytest
from django.db import connections
from django.test import TransactionTestCase
from django.test.utils import setup_databases, teardown_databases

# "default" mirrors "owner" (see settings), and Django resets only what is no mirror.
TransactionTestCase.databases = {"default", "owner"}


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment, django_db_blocker, django_db_modify_db_settings, django_db_keepdb):
    """pytest-django's own, for all databases: it would set up only "default" and find nothing to mirror."""
    with django_db_blocker.unblock():
        created = setup_databases(verbosity=0, interactive=False, keepdb=django_db_keepdb)
    yield
    with django_db_blocker.unblock():
        connections.close_all()
        if not django_db_keepdb:
            teardown_databases(created, verbosity=0)
