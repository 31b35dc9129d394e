"""Companies, people, their roles, and the audit trail that nobody can rewrite."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower, Now
from django.db.models.lookups import IsNull

from apps.core.permissions import KEEP_PEOPLE, READ_AUDIT, Permission, Role, Team, teams_seen_by, works_for


def validate_zone(name: str) -> None:
    """An IANA zone name, e.g. Europe/London."""
    if name == "localtime" or name not in available_timezones():  # "localtime" is what this machine is set to
        raise ValidationError(f"{name} is not a time zone. Expected a name such as Europe/London.")


class UserManager(BaseUserManager["User"]):
    def create_user(self, *, email: str, name: str, password: str | None = None) -> "User":
        user = self.model(email=self.normalize_email(email), name=name)
        user.set_password(password)
        user.save()
        return user

    def get_by_natural_key(self, email: str) -> "User":
        """Who signs in with this e-mail, however it is capitalised."""
        return self.alias(lowered=Lower("email")).get(lowered=email.lower())

    def kept_by(self, admin: "User") -> models.QuerySet["User"]:
        """Whose whole account is this admin's to keep: who has roles only in companies where the actor is admin.

        Whoever can set a password can be that person everywhere, so being admin of one of their companies is not enough.
        """
        mine = admin.entities_where(KEEP_PEOPLE)
        elsewhere = Membership.objects.exclude(entity_id__in=mine).values("user_id")
        return self.filter(memberships__entity_id__in=mine).exclude(pk__in=elsewhere).distinct()


class User(AbstractBaseUser):
    """A person. Never deleted (the audit names them), only made inactive."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(default=True)
    password_seen = models.BooleanField(default=False, help_text="Set by a link that an admin had seen, who may know it")

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="one_user_per_email")]

    def __str__(self) -> str:
        return self.name

    @property
    def initials(self) -> str:
        parts = self.name.split()
        return "".join(part[0] for part in (parts[:1] + parts[1:][-1:])).upper()

    def roles_in(self, entity_id: int) -> frozenset[Role]:
        """This person's roles in one company, read once per request."""
        return self._roles.get(entity_id, frozenset())

    def may(self, permission: Permission, entity_id: int) -> bool:
        return bool(self.roles_in(entity_id) & permission.roles)

    def works_for(self, team: Team, entity_id: int) -> bool:
        """Whether they act on the team's cases in one company."""
        return any(works_for(role, team) for role in self.roles_in(entity_id))

    def may_anywhere(self, permission: Permission) -> bool:
        return any(roles & permission.roles for roles in self._roles.values())

    def entities_where(self, permission: Permission) -> list[int]:
        """Ids of the companies in which this person has the permission."""
        return [entity for entity, roles in self._roles.items() if roles & permission.roles]

    def keeps(self, person: "User") -> bool:
        return User.objects.kept_by(self).filter(pk=person.pk).exists()

    def teams_seen_in(self) -> dict[int, frozenset[Team]]:
        """Entity id -> the queues that this person reads there."""
        return {
            entity: frozenset(team for role in roles for team in teams_seen_by(role))
            for entity, roles in self._roles.items()
        }

    @property
    def _roles(self) -> dict[int, frozenset[Role]]:
        if not hasattr(self, "_role_cache"):
            found: dict[int, set[Role]] = {}
            if self.is_active:
                for entity, role in self.memberships.values_list("entity_id", "role"):
                    found.setdefault(entity, set()).add(Role(role))
            self._role_cache = {entity: frozenset(roles) for entity, roles in found.items()}
        return self._role_cache


# Fails where the database does not know the zone: one such company would stop each statement that reads the days of many.
LOCAL_NOW = models.Func(models.F("zone"), Now(), function="timezone", output_field=models.DateTimeField())


class EntityQuerySet(models.QuerySet["Entity"]):
    def visible_to(self, user: User) -> "EntityQuerySet":
        return self.filter(memberships__user=user).distinct()


class Entity(models.Model):
    """A legal company. Its zone decides the accounting month and is frozen after its first settlement.

    `one_person`: who changed a mapping may approve the journals it is in. For companies without a second person in finance.
    A change of the mapping that moves more money (base currency) than `second_above`, or more lines than `second_lines_above`,
    takes a second person; None: no change does.
    """

    name = models.CharField(max_length=120, unique=True)
    country = models.CharField(max_length=2, help_text="ISO 3166, e.g. GB")
    zone = models.CharField(max_length=64, validators=[validate_zone])
    base_currency = models.CharField(max_length=3)
    one_person = models.BooleanField(default=False)
    second_above = models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True)
    second_lines_above = models.PositiveIntegerField(null=True, blank=True)

    objects = EntityQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(second_above=None) | models.Q(second_above__gte=0), name="limit_not_negative"
            ),
            models.CheckConstraint(condition=IsNull(LOCAL_NOW, False), name="zone_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A role that a person has in one company."""

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    entity = models.ForeignKey(Entity, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "entity", "role"], name="one_membership_per_role"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def in_force(self, now: datetime) -> "ApiTokenQuerySet":
        return self.filter(revoked_at=None, expires_at__gt=now)


class ApiToken(models.Model):
    """A key with which a program speaks as a person. `digest` is SHA-256 in hex, `prefix` the beginning that people see."""

    user = models.ForeignKey(User, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=12)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    expires_at__gt=models.F("created_at"),
                    expires_at__lte=models.F("created_at") + timedelta(days=366),
                ),
                name="token_ends_within_a_year",
            )
        ]


class SignInQuerySet(models.QuerySet["SignIn"]):
    def open(self, now: datetime) -> "SignInQuerySet":
        """Those with which somebody can still work: a session lasts as long as it is used."""
        return self.filter(ended_at=None, seen_at__gt=now - timedelta(seconds=settings.SESSION_COOKIE_AGE))


class SignIn(models.Model):
    """One signing in and its session, from where and with what. `ip` is None where no network stands between."""

    user = models.ForeignKey(User, models.CASCADE, related_name="sign_ins")
    session_key = models.CharField(max_length=40, unique=True)
    ip = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=255, blank=True)
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = SignInQuerySet.as_manager()

    class Meta:
        ordering = ["-seen_at"]


class ReferenceRate(models.Model):
    """Worth of one unit of a currency in the company's base currency. Serves ranking only, never a journal."""

    entity = models.ForeignKey(Entity, models.CASCADE, related_name="rates")
    currency = models.CharField(max_length=3)
    since = models.DateField()
    rate = models.DecimalField(max_digits=18, decimal_places=6)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entity", "currency", "since"], name="one_rate_per_day"),
            models.CheckConstraint(condition=models.Q(rate__gt=Decimal(0)), name="rate_positive"),
        ]


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    def about(self, subject: str) -> "AuditQuerySet":
        return self.filter(subject=subject)

    def visible_to(self, user: User) -> "AuditQuerySet":
        """What happened in the companies where the person reads the audit, and to the accounts that are theirs to keep; of
        no company, what they did themselves.
        """
        subjects = [f"person:{pk}" for pk in {user.pk, *User.objects.kept_by(user).values_list("pk", flat=True)}]
        in_companies = models.Q(entity_id__in=user.entities_where(READ_AUDIT))
        return self.filter(in_companies | models.Q(entity=None) & (models.Q(subject__in=subjects) | models.Q(actor=user)))

    def record_all(self, entries: Iterable["AuditEntry"]) -> None:
        self.bulk_create(entries, batch_size=2000)

    def record(
        self,
        *,
        actor: User | None,
        entity: Entity | None,
        verb: str,
        subject: str,
        before: dict | None = None,
        after: dict | None = None,
        reason: str = "",
    ) -> "AuditEntry":
        """Write one entry. `actor` None is the system itself; money in before and after is text with its currency."""
        return self.create(
            actor=actor,
            actor_name=actor.name if actor else "opsconsole",
            entity=entity,
            verb=verb,
            subject=subject,
            before=before or {},
            after=after or {},
            reason=reason,
        )


# After these entries another amount may be at stake with a team: what was, is read back from them.
WEIGHING = ("case.opened", "case.changed", "case.handed-over")
# After these nobody is at the case any more: how long that lasts, is told.
LETTING_GO = ("case.woken", "case.released", "case.handed-over", "case.put-back", "case.returned")


class AuditEntry(models.Model):
    """Who did what to what, before and after, and why. The database refuses UPDATE, DELETE and TRUNCATE of it.

    `subject` is "case:12", "settlement:30000000001", "rule:7"; the entries about a case are its timeline.
    """

    at = models.DateTimeField(db_default=Now())
    actor = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    actor_name = models.CharField(max_length=120)
    entity = models.ForeignKey(Entity, models.PROTECT, null=True, related_name="+")
    verb = models.CharField(max_length=60)
    subject = models.CharField(max_length=200)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    reason = models.TextField(blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["subject", "id"], name="audit_subject"),
            models.Index(fields=["entity", "at"], name="audit_of_stakes", condition=models.Q(verb__in=WEIGHING)),
            models.Index(fields=["entity", "at"], name="audit_of_letting_go", condition=models.Q(verb__in=LETTING_GO)),
        ]
