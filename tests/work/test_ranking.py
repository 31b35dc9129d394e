"""What is looked for near the top and then everywhere is what walking the whole queue finds, in one order."""

from datetime import timedelta

import pytest
from django.db.models import Q
from django.utils import timezone

from apps.core.permissions import Team
from apps.exceptions.models import Case
from apps.work import ranking
from apps.work.filters import CaseFilter
from apps.work.ranking import behind, ranked
from tests.factories import CaseFactory, EntityFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("companies", [1, 3])
@pytest.mark.parametrize("every", [1, 2, 7, 40, 1000])
def test_many_or_few_that_fit_are_found_page_by_page(monkeypatch, companies, every):
    """The top of a queue that is looked at first is ten cases here; equal scores are told apart by id."""
    monkeypatch.setattr(ranking, "WALKED", 10)
    entities = [EntityFactory() for _ in range(companies)]
    due = timezone.now() + timedelta(days=1)
    Case.objects.bulk_create(
        CaseFactory.build(
            entity=entities[n % companies],
            subject=f"{'pilot' if (n + 5) % every == 0 else 'other'} {n}",
            score=float(n % 45),
            due_at=due,
        )
        for n in range(90)
    )
    CaseFactory(entity=entities[0], team=Team.OPS, subject="pilot")
    queues = [(entity.pk, Team.FINANCE) for entity in entities]
    asked = CaseFilter(q="pilot").condition(UserFactory())
    found, after = [], Q()
    while page := ranked(queues, asked, 4, after=after, rare=True):
        found += page
        after = behind(page[-1].score, page[-1].pk)
    assert found == ranked(queues, asked, 1000)
    assert len(found) == sum((n + 5) % every == 0 for n in range(90))


def test_without_a_queue_nothing_is_asked(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert ranked([], Q(), 5, rare=True) == []
