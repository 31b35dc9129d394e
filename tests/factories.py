"""Rows that tests begin with. Companies, people and their accounts at outside systems."""

import factory

from apps.core.models import Entity, Membership, User
from apps.core.permissions import Role
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


def person(role: Role, entity: Entity, **values) -> User:
    """Somebody with one role in one company."""
    user = UserFactory(**values)
    Membership.objects.create(user=user, entity=entity, role=role)
    return user
