"""A rule saved while a file is read: whichever commits second sees the other."""

import threading
import time
from datetime import date

import pytest
from django.db import connection, connections, transaction

from apps.core.permissions import Role
from apps.ledger.models import Account
from apps.settlements.charts import apply_chart
from apps.settlements.models import FeeSignature, Resolution
from apps.settlements.operations import map_fee
from apps.settlements.resolutions import resolve
from apps.settlements.rules import signature_key
from tests.factories import EntityFactory, person

pytestmark = pytest.mark.django_db(transaction=True)
PATTERN = {
    "marketplace": "",
    "transaction_type": "Order",
    "amount_type": "ItemFees",
    "amount_description": "NewFee",
    "treatment": "",
}
DEADLINE = 20  # seconds


def waiting_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone()[0] > 0


def test_a_rule_saved_while_a_file_is_read_maps_its_new_fee():
    entity = EntityFactory()
    priya = person(Role.FINANCE, entity)
    apply_chart(chart="uk", entity=entity, actor=priya)
    account = Account.objects.get(entity=entity, code="5190")

    def save_the_rule():
        try:
            map_fee(
                entity=entity,
                pattern=PATTERN,
                since=date(2026, 10, 1),
                account=account,
                tax_class=None,
                reason="New",
                actor=priya,
            )
        finally:
            connections.close_all()

    saving = threading.Thread(target=save_the_rule)
    with transaction.atomic():  # as the ingest: signatures first, then what maps them
        signature = FeeSignature.objects.create(
            entity=entity, key=signature_key(**PATTERN | {"treatment": "none"}), **PATTERN | {"treatment": "none"}
        )
        resolve(entity, [signature.pk])
        saving.start()
        until = time.monotonic() + DEADLINE
        while not waiting_for_a_lock():
            assert time.monotonic() < until, "the rule was saved without waiting for the file"
            time.sleep(0.05)
    saving.join(DEADLINE)
    assert not saving.is_alive()
    assert Resolution.objects.get(signature=signature).rule.account == account
