from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.models import ApiToken, AuditEntry, Membership, User
from apps.core.permissions import Role
from apps.core.tokens import holder_of, issue, revoke
from tests.factories import EntityFactory, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def marta() -> User:
    return person(Role.FINANCE, EntityFactory(), name="Marta Lis")


def a_token(user: User, days: int = 30) -> tuple[ApiToken, str]:
    return issue(user=user, name="Patchworks", expires_at=timezone.now() + timedelta(days=days))


def test_a_token_is_its_person_and_its_clear_text_is_nowhere(marta):
    token, clear = a_token(marta)
    assert clear.startswith("oc_") and clear.startswith(token.prefix)
    assert holder_of(clear) == marta
    stored = str([*ApiToken.objects.values(), *AuditEntry.objects.values()])
    assert clear not in stored and clear[len(token.prefix) :] not in stored
    entry = AuditEntry.objects.get(verb="token.issued")
    assert (entry.subject, entry.after["name"]) == (f"person:{marta.pk}", "Patchworks")


@pytest.mark.parametrize("wrong", ["", "oc_", "oc_nobody", "ö\0"])
def test_other_text_is_nobody(marta, wrong):
    _, clear = a_token(marta)
    assert holder_of(wrong) is None
    assert holder_of(clear[:-1]) is None


def test_a_token_ends_by_revoking_and_by_its_day(marta):
    token, clear = a_token(marta)
    other, other_clear = a_token(marta)
    revoke(token=token, actor=marta)
    assert holder_of(clear) is None
    assert holder_of(other_clear) == marta
    with pytest.raises(Refused, match="revoked already"):
        revoke(token=token, actor=marta)
    past = timezone.now() - timedelta(days=2)
    ApiToken.objects.filter(pk=other.pk).update(created_at=past, expires_at=past + timedelta(days=1))
    assert holder_of(other_clear) is None


def test_who_was_switched_off_or_has_no_role_cannot_use_theirs(marta):
    _, clear = a_token(marta)
    User.objects.filter(pk=marta.pk).update(is_active=False)
    assert holder_of(clear) is None
    User.objects.filter(pk=marta.pk).update(is_active=True)
    assert holder_of(clear) == marta
    marta.memberships.all().delete()
    assert holder_of(clear) is None
    with pytest.raises(Refused, match="you have none yet"):
        a_token(marta)


def test_the_last_use_is_noted_once_a_minute(marta):
    token, clear = a_token(marta)
    holder_of(clear)
    token.refresh_from_db()
    first = token.last_used_at
    assert first is not None
    holder_of(clear)
    token.refresh_from_db()
    assert token.last_used_at == first
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    ApiToken.objects.update(last_used_at=long_ago)
    holder_of(clear)
    token.refresh_from_db()
    assert token.last_used_at > long_ago


@pytest.mark.parametrize("days", [-1, 0, 366])
def test_a_token_ends_within_a_year(marta, days):
    with pytest.raises(Refused) as refusal:
        a_token(marta, days)
    assert refusal.value.field == "expires_at"
    now = timezone.now()
    with pytest.raises(IntegrityError):
        values = {"name": "x", "digest": "0" * 64, "prefix": "oc_", "created_at": now}
        ApiToken.objects.create(user=marta, expires_at=now + timedelta(days=400), **values)


def test_a_token_has_a_name(marta):
    with pytest.raises(Refused) as refusal:
        issue(user=marta, name=" ", expires_at=timezone.now() + timedelta(days=1))
    assert refusal.value.field == "name"


def test_an_admin_revokes_only_where_all_companies_of_the_person_are_theirs(marta):
    here, elsewhere = marta.memberships.get().entity, EntityFactory()
    ian = person(Role.ADMIN, here)
    Membership.objects.create(user=marta, entity=elsewhere, role=Role.FINANCE)
    token, clear = a_token(marta)
    with pytest.raises(NotAllowed):
        revoke(token=token, actor=person(Role.FINANCE, here))
    with pytest.raises(NotAllowed):
        revoke(token=token, actor=ian)
    assert holder_of(clear) == marta
    marta.memberships.filter(entity=elsewhere).delete()
    revoke(token=token, actor=ian, reason="The laptop is lost")
    assert holder_of(clear) is None
    entry = AuditEntry.objects.get(verb="token.revoked")
    assert (entry.actor, entry.reason) == (ian, "The laptop is lost")
