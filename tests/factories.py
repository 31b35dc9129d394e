"""Rows that tests begin with. Companies, people, their accounts at outside systems, and cases."""

from datetime import UTC, datetime

import factory

from apps.core.models import Entity, Membership, User
from apps.core.permissions import Role, Team
from apps.exceptions.models import Case, Diagnosis
from apps.integrations.models import Connection


class EntityFactory(factory.django.DjangoModelFactory):
    name = factory.Sequence(lambda n: f"Brightfold {n} Ltd")
    country = "GB"
    zone = "Europe/London"
    base_currency = "GBP"

    class Meta:
        model = Entity


class UserFactory(factory.django.DjangoModelFactory):
    name = factory.Sequence(lambda n: f"Person {n}")
    email = factory.Sequence(lambda n: f"person{n}@example.com")

    class Meta:
        model = User


class ConnectionFactory(factory.django.DjangoModelFactory):
    entity = factory.SubFactory(EntityFactory)
    name = factory.Sequence(lambda n: f"amazon.co.uk {n}")

    class Meta:
        model = Connection


class CaseFactory(factory.django.DjangoModelFactory):
    """A case as rows go, for what reads cases. What sweeps and actions do to cases is tested through them."""

    type = "test.holds"
    entity = factory.SubFactory(EntityFactory)
    subject = factory.Sequence(lambda n: f"subject {n}")
    team = Team.FINANCE
    holds_back = True
    diagnosis = Diagnosis.STRUCTURAL
    currency = "GBP"
    due_at = datetime(2026, 11, 13, 17, 0, tzinfo=UTC)
    score = 0.0

    class Meta:
        model = Case


def person(role: Role, entity: Entity, **values) -> User:
    """Somebody with one role in one company."""
    user = UserFactory(**values)
    Membership.objects.create(user=user, entity=entity, role=role)
    return user
