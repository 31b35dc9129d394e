"""Passwords, and the links with which people set one: signed, for one use, and over after some days."""

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator, default_token_generator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from apps.core import lockouts, sign_ins
from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity, Membership, SignIn, User
from apps.core.permissions import KEEP_PEOPLE

JOINS = "Joins a company whose admins may not know the password"
RULES = "At least 12 characters; not one of the common passwords; not like your name or e-mail. A few words in a row are easy."


class _HandedOver(PasswordResetTokenGenerator):
    """Of links that an admin has seen. Void as well once the person belongs to other companies than then: whoever was
    admin of all of them may not be of the new one, and must not be the person there.
    """

    key_salt = "apps.core.passwords.handed-over"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        companies = sorted(set(user.memberships.values_list("entity_id", flat=True)))
        return f"{super()._make_hash_value(user, timestamp)}{companies}"

    def check_token(self, user: User | None, token: str | None) -> bool:
        """Those that were mailed to the person alone hold too."""
        return super().check_token(user, token) or default_token_generator.check_token(user, token)


handed_over = _HandedOver()


@transaction.atomic
def set_password(*, user: User, password: str, keep: SignIn | None = None, seen: bool | None = None) -> None:
    """The person's new password. All their sessions end but the one to keep, and sign-in is open again if it was locked.

    `seen`: whether it came by a link that an admin had seen. None where it came by the password before: whoever may have
    known that one may know this one.
    """
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Refused(" ".join(error.messages), field="password") from error
    user.set_password(password)
    user.password_seen = user.password_seen if seen is None else seen
    user.save(update_fields=["password", "password_seen"])
    others = SignIn.objects.exclude(pk=keep.pk) if keep else SignIn.objects.all()
    ended = sign_ins.end(others, person=user, actor=user, reason="New password")
    lockouts.forget(user)
    AuditEntry.objects.record(
        actor=user, entity=None, verb="password.set", subject=f"person:{user.pk}", after={"sessions ended": ended}
    )


def link_parts(user: User, made_by: PasswordResetTokenGenerator = default_token_generator) -> dict[str, str]:
    """What an address needs to let this person set a password; stored nowhere. Void once they do, or have signed in."""
    return {"uidb64": urlsafe_base64_encode(force_bytes(user.pk)), "token": made_by.make_token(user)}


def give_link(*, person: User, actor: User) -> dict[str, str]:
    """A new link to hand over. Whoever has it can be the person, so it says in the audit trail who gave it."""
    if not actor.keeps(person):
        raise NotAllowed(f"{actor.name} cannot {KEEP_PEOPLE.does} for {person.name}'s whole account.")
    if not person.is_active:
        raise Refused(f"{person.name} is switched off. Switch the account on first.")
    AuditEntry.objects.record(
        actor=actor,
        entity=None,
        verb="password.link-given",
        subject=f"person:{person.pk}",
        after={"ends": link_ends().isoformat(timespec="minutes")},
    )
    return link_parts(person, handed_over)


def strangers(person: User, entity: Entity) -> list[User]:
    """The admins who may know the person's password and are not admin of this company, which the person is to join.

    Whoever made a link may have used it, so a password that came by one is as good as theirs where they are admin, and
    nowhere else.
    """
    if not person.password_seen or person.memberships.filter(entity=entity).exists():
        return []
    given = AuditEntry.objects.about(f"person:{person.pk}").filter(verb="password.link-given").values("actor")
    admins = Membership.objects.filter(entity=entity, role__in=KEEP_PEOPLE.roles).values("user")
    return list(User.objects.filter(pk__in=given).exclude(pk__in=admins).order_by("name"))


@transaction.atomic
def close(*, person: User, actor: User | None) -> None:
    """The password opens nothing any more, sessions end and tokens are revoked: somebody may know it who should not. A mail,
    or whoever keeps the whole account, brings a new link; refused where neither can.
    """
    if actor is not None and not settings.MAIL_SENT and not actor.keeps(person):
        raise Refused(
            f"An admin of another company may know {person.name}'s password, and this server sends no mail with which they "
            "could set one of their own. Whoever runs the server adds them, by manage.py add_person."
        )
    person.set_unusable_password()
    person.password_seen = False
    person.save(update_fields=["password", "password_seen"])
    ended = sign_ins.end(SignIn.objects.all(), person=person, actor=actor, reason=JOINS)
    now = timezone.now()
    revoked = person.tokens.in_force(now).update(revoked_at=now)
    AuditEntry.objects.record(
        actor=actor,
        entity=None,
        verb="password.closed",
        subject=f"person:{person.pk}",
        after={"sessions ended": ended, "tokens revoked": revoked},
        reason=JOINS,
    )


def link_ends() -> datetime:
    """When a link that is made now is over."""
    return timezone.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
