"""Whose mapping is in a journal, where the mapping is that something was undone."""

from datetime import date

import pytest

from apps.core.errors import Refused
from apps.ledger.models import Account, Journal
from apps.settlements.approval import approve
from apps.settlements.exports import export
from apps.settlements.makers import makers
from apps.settlements.operations import map_fee
from apps.settlements.rule_versions import change_rule, undo_rule
from tests.settlements.books import RETURN_FEE, map_the_fee, settle

pytestmark = pytest.mark.django_db(transaction=True)
SINCE = date(2026, 10, 1)
UNDID = "undid the mapping of Order / ItemFees / NewReturnFee"
MAPPED = "mapped Order / ItemFees / NewReturnFee to 5110 FBA fees"


def map_all_fees(entity, actor, code="5130"):
    pattern = {"transaction_type": "Order", "amount_type": "ItemFees", "amount_description": "New*"}
    return map_fee(
        entity=entity, pattern=pattern | {"marketplace": "", "treatment": ""}, since=SINCE,
        account=Account.objects.get(entity=entity, code=code), tax_class=None, reason="All of these", actor=actor,
    )  # fmt: skip


def test_who_undid_a_mapping_so_that_a_less_exact_rule_takes_over_does_not_approve(entity, place, priya, ian):
    map_all_fees(entity, ian)
    (journal,), (other,) = settle(place, "30000000001", RETURN_FEE), settle(place, "30000000002")
    undo_rule(rule=map_the_fee(entity, priya).rule, reason="Better as one", actor=priya)
    journal.refresh_from_db()
    found = makers([journal, other])
    assert other.pk not in found and found[journal.pk][priya] == [UNDID]
    with pytest.raises(Refused, match=f"You {UNDID}. Another person approves it."):
        approve(journals=[journal], actor=priya)


def test_an_undoing_that_a_later_mapping_replaced_is_nobodys_change_any_more(entity, place, priya, ian):
    (journal,) = settle(place, "30000000001", RETURN_FEE)
    undo_rule(rule=map_the_fee(entity, priya).rule, reason="Wrong", actor=priya)
    map_the_fee(entity, ian)
    assert makers([journal]) == {journal.pk: {ian: [MAPPED]}}
    assert approve(journals=[Journal.objects.get()], actor=priya)


def test_an_undoing_under_a_more_exact_rule_changed_nothing(entity, place, priya, ian):
    (journal,) = settle(place, "30000000001", RETURN_FEE)
    map_the_fee(entity, ian)
    undo_rule(rule=map_all_fees(entity, priya).rule, reason="Not needed", actor=priya)
    assert makers([journal]) == {journal.pk: {ian: [MAPPED]}}


def test_who_went_back_to_an_earlier_version_does_not_approve(entity, place, priya, ian):
    (journal,) = settle(place, "30000000001", RETURN_FEE)
    rule = map_the_fee(entity, ian).rule
    other = Account.objects.get(entity=entity, code="5115")
    changed = change_rule(rule=rule, account=other, tax_class=None, since=SINCE, reason="Other", actor=ian)
    undo_rule(rule=changed, reason="As before", actor=priya)
    assert makers([journal]) == {journal.pk: {priya: [MAPPED]}}


def test_the_makers_of_a_correction_are_those_of_what_changed(entity, place, priya, ian):
    """Undone after the export: the correction moves the fee to what the less exact rule says."""
    map_all_fees(entity, ian)
    rule = map_the_fee(entity, priya).rule
    settle(place, "30000000001", RETURN_FEE)
    entity.one_person = True
    entity.save()
    export(journals=approve(journals=[Journal.objects.get()], actor=ian), format="generic", actor=ian)
    undo_rule(rule=rule, reason="Better as one", actor=priya)
    correction = Journal.objects.get(corrects__isnull=False)
    assert makers([correction])[correction.pk][priya] == [UNDID]
