"""What a deed refuses keeps its code and its field; what is asked of a second person is kept as it was filled in."""

from types import SimpleNamespace

import pytest
from django import forms

from apps.core.errors import Refused
from apps.core.permissions import MAP_FEES, Role
from apps.work import deeds
from apps.work.deeds import Deed
from apps.work.proposals import _kept
from tests.factories import EntityFactory, person


class Days(forms.Form):
    days = forms.MultipleChoiceField(choices=[("mon", "Monday"), ("tue", "Tuesday")], required=False)
    until = forms.DateField(required=False)
    sure = forms.BooleanField(required=False)

    def __init__(self, record, actor, data=None):
        super().__init__(data)


@pytest.mark.django_db
def test_a_refusal_comes_through_whole():
    def refuse(record, actor, cleaned):
        raise Refused("That month is closed.", field="until", code="month-closed")

    entity = EntityFactory()
    deed = Deed(name="close", label="Close", permission=MAP_FEES, form=Days, preview=refuse, run=refuse)
    record = SimpleNamespace(entity=entity, entity_id=entity.pk)
    seen = deeds.preview(deed, record, person(Role.FINANCE, entity), {"until": "2026-11-01"})
    assert (seen.refused.code, seen.refused.field, seen.fault) == ("month-closed", "until", "That month is closed.")


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        ({"days": ["mon", "tue"], "until": None, "sure": True}, {"days": ["mon", "tue"], "sure": ["True"]}),
        ({"days": "mon", "until": "2026-11-01", "more": "x"}, {"days": ["mon"], "until": ["2026-11-01"]}),
        ({"days": [], "until": ""}, {"until": [""]}),
    ],
)
def test_what_was_filled_in_is_kept_value_by_value(data, kept):
    assert _kept(Days(None, None, data), data) == kept
