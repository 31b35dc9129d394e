"""Whoever may not do something is told who can."""

from collections.abc import Iterable

from apps.core.models import User
from apps.core.permissions import Permission
from apps.core.words import listed

NAMES_SHOWN = 3


def not_allowed_words(permission: Permission, person: User) -> str:
    """Your role cannot approve journals. Marta Lis and Ian Grove can."""
    return f"Your role cannot {permission.does}. {who_can(permission, person.teams_seen_in())}"


def who_can(permission: Permission, entity_ids: Iterable[int]) -> str:
    able = User.objects.filter(
        is_active=True, memberships__entity_id__in=list(entity_ids), memberships__role__in=permission.roles
    )
    names = list(able.distinct().order_by("name").values_list("name", flat=True)[:NAMES_SHOWN])
    return f"{listed(names)} can." if names else "Nobody in your companies can yet: an admin gives the role."
