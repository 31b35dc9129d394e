"""What stood before this release goes on: its drafts can be approved as they are."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection

from apps.ledger.models import Journal
from apps.settlements.approval import approve
from tests.settlements.books import settle

fill = import_module("apps.ledger.migrations.0005_hash_what_stands").fill


@pytest.mark.django_db(transaction=True)
def test_drafts_of_the_release_before_can_be_approved(place, ian):
    (draft,) = settle(place, "30000000001")
    built = draft.lines_hash
    Journal.objects.update(lines_hash="")
    with connection.schema_editor() as editor:
        fill(apps, editor)
    draft.refresh_from_db()
    assert draft.lines_hash == built
    approve(journals=[draft], actor=ian)
