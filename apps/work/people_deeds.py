"""What admins do to people after a preview: their roles in one company, and their whole account."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone

from apps.core import passwords, people, permissions, tokens
from apps.core.errors import Refused
from apps.core.models import Entity, User
from apps.core.permissions import KEEP_PEOPLE, Permission, Role, Team, works_for
from apps.core.words import counted, listed
from apps.exceptions.forms import ReasonForm
from apps.exceptions.returning import cases_of
from apps.exceptions.types import Plan, digest
from apps.integrations.letters import send_link
from apps.work.deeds import Deed

ALL = "all"


@dataclass(frozen=True)
class InCompany:
    """A person as a company knows them. For what is done to the whole account, any of their companies stands."""

    person: User
    entity: Entity

    @property
    def entity_id(self) -> int:
        return self.entity.pk

    def refresh_from_db(self) -> None:
        self.person.refresh_from_db()


class RolesForm(ReasonForm):
    roles = forms.MultipleChoiceField(
        label="Roles",
        choices=Role,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None: not theirs to see.",
    )
    field_order = ["roles", "reason"]

    def __init__(self, member: InCompany, actor: User, data: Any = None):
        super().__init__(member, actor, data)
        held = member.person.memberships.filter(entity=member.entity)
        self.fields["roles"].initial = sorted(held.values_list("role", flat=True))

    def clean_roles(self) -> frozenset[Role]:
        return frozenset(Role(role) for role in self.cleaned_data["roles"])


class TokensForm(ReasonForm):
    token = forms.ChoiceField(label="Token")
    field_order = ["token", "reason"]

    def __init__(self, member: InCompany, actor: User, data: Any = None):
        super().__init__(member, actor, data)
        rows = member.person.tokens.in_force(timezone.now())
        self.fields["token"].choices = [
            (ALL, "All of them"),
            *((str(row.pk), f"{row.name}, {row.prefix}…") for row in rows),
        ]


def _go_back(person: User, queues: Mapping[int, Collection[Team]]) -> str:
    number = cases_of(person, queues).count()
    return f"{counted(number, 'exception')} {'goes' if number == 1 else 'go'} back to the team" if number else "None is theirs"


def _works(roles: Collection[Role], team: Team) -> bool:
    return any(works_for(role, team) for role in roles)


def _preview_roles(member: InCompany, actor: User, cleaned: dict[str, Any]) -> Plan:
    person, entity = member.person, member.entity
    held, wanted = people.check_roles(person=person, entity=entity, roles=cleaned["roles"], actor=actor)
    could, can, strange = _what(held), _what(wanted), passwords.strangers(person, entity)
    return Plan(
        effect=f"Change {person.name}'s roles at {entity.name}",
        says="Holds from the next click on, in open sessions and for tokens too. What was done keeps the name.",
        digest=digest(person.pk, entity.pk, sorted(held), sorted(wanted)),
        detail={
            "roles now": _roles(held),
            "roles then": _roles(wanted),
            "loses": listed(sorted(could - can)) or "Nothing",
            "gains": listed(sorted(can - could)) or "Nothing",
            "exceptions": _go_back(person, {entity.pk: [team for team in Team if not _works(wanted, team)]}),
        }
        | ({"password": f"{listed(each.name for each in strange)} may know it: it opens nothing then"} if strange else {}),
    )


def _run_roles(member: InCompany, actor: User, cleaned: dict[str, Any]) -> str:
    person, closes = member.person, bool(passwords.strangers(member.person, member.entity))
    people.set_roles(person=person, entity=member.entity, actor=actor, **cleaned)
    saved = f"Saved. {person.name} at {member.entity.name}: {_roles(cleaned['roles'])}."
    if not closes:
        return saved
    send_link(person)
    return f"{saved} They need a new link to set a password{': it is on its way by mail' if settings.MAIL_SENT else ''}."


def _preview_off(member: InCompany, actor: User, cleaned: dict[str, Any]) -> Plan:
    person = member.person
    people.check_off(person=person, actor=actor)
    return Plan(
        effect=f"Switch {person.name} off",
        says="Roles and tokens stay as they are for the day somebody switches the account on again. Nothing is deleted.",
        digest=digest("off", person.pk, person.is_active),
        detail={
            "signing in": "Refused from the next click on",
            "sessions": f"{counted(_sessions(person), 'session')} end now",
            "tokens": f"{counted(_tokens(person), 'token')} open nothing while it is off",
            "exceptions": _go_back(person, {entity: tuple(Team) for entity in person.teams_seen_in()}),
        },
    )


def _preview_on(member: InCompany, actor: User, cleaned: dict[str, Any]) -> Plan:
    person = member.person
    people.check_account(person, actor)
    return Plan(
        effect=f"Switch {person.name} on",
        says="With the roles, the password and the tokens of before.",
        digest=digest("on", person.pk, person.is_active),
        detail={"tokens": f"{counted(_tokens(person), 'token')} count again"},
    )


def _preview_sign_out(member: InCompany, actor: User, cleaned: dict[str, Any]) -> Plan:
    people.check_account(member.person, actor)
    many = _sessions(member.person)
    if not many:
        raise Refused(f"{member.person.name} is signed in nowhere.", code="no-change")
    return Plan(
        effect=f"End {counted(many, 'session')} of {member.person.name}",
        says="What is typed and not sent is lost there. They may sign in again: to keep them out, switch the account off.",
        digest=digest("sign-out", member.person.pk, many),
        detail={"sessions": f"{many} now, none then"},
    )


def _preview_unlock(member: InCompany, actor: User, cleaned: dict[str, Any]) -> Plan:
    person, entity = member.person, member.entity
    until = people.check_locked(person=person, entity=entity, actor=actor)
    return Plan(
        effect=f"Let {person.name} sign in again now",
        says="Ask them first whether it was they: whoever guesses begins anew as well. The password stays as it is.",
        digest=digest("unlock", person.pk, until.isoformat()),
        detail={"locked": f"Until {timezone.localtime(until):%H:%M}; then not"},
    )


def _run_unlock(member: InCompany, actor: User, cleaned: dict[str, Any]) -> str:
    people.unlock(person=member.person, entity=member.entity, actor=actor, **cleaned)
    return f"{member.person.name} can sign in again."


def _preview_tokens(member: InCompany, actor: User, cleaned: dict[str, Any]) -> Plan:
    people.check_account(member.person, actor)
    chosen = _chosen(member, cleaned)
    return Plan(
        effect=f"Revoke {counted(len(chosen), 'token')} of {member.person.name}",
        says="Programs that use it are refused from their next call on. A revoked token does not come back.",
        digest=digest("tokens", [token.pk for token in chosen]),
        detail={"revoked": listed(token.name for token in chosen)},
    )


def _run_tokens(member: InCompany, actor: User, cleaned: dict[str, Any]) -> str:
    chosen = _chosen(member, cleaned)
    for token in chosen:
        tokens.revoke(token=token, actor=actor, reason=cleaned["reason"])
    return f"Revoked {counted(len(chosen), 'token')}."


def _chosen(member: InCompany, cleaned: dict[str, Any]) -> list[Any]:
    rows = member.person.tokens.in_force(timezone.now())
    chosen = list(rows if cleaned["token"] == ALL else rows.filter(pk=cleaned["token"]))
    if not chosen:
        raise Refused("There is no token to revoke.", code="no-change")
    return chosen


def _done(verb: Any, words: str) -> Any:
    def run(member: InCompany, actor: User, cleaned: dict[str, Any]) -> str:
        verb(person=member.person, actor=actor, **cleaned)
        return words.format(member.person.name)

    return run


def _deed(name: str, label: str, preview: Any, run: Any, form: Any = ReasonForm) -> Deed:
    return Deed(name=name, label=label, permission=KEEP_PEOPLE, form=form, preview=preview, run=run)


ROLES = _deed("roles", "Change the roles", _preview_roles, _run_roles, RolesForm)
OFF = _deed("switch-off", "Switch the account off", _preview_off, _done(people.switch_off, "{} is switched off."))
ON = _deed("switch-on", "Switch the account on", _preview_on, _done(people.switch_on, "{} is switched on."))
SIGN_OUT = _deed(
    "sign-out", "End the sessions", _preview_sign_out, _done(people.sign_out, "{} is signed out everywhere.")
)
TOKENS = _deed("tokens", "Revoke tokens", _preview_tokens, _run_tokens, TokensForm)
UNLOCK = _deed("unlock", "Unlock", _preview_unlock, _run_unlock)
IN_COMPANY = (ROLES, UNLOCK)  # any admin of one of their companies may; the others are about the whole account
DEEDS = {deed.name: deed for deed in (*IN_COMPANY, OFF, ON, SIGN_OUT, TOKENS)}


def _what(roles: frozenset[Role]) -> set[str]:
    """What people with these roles may do, in words."""
    known = [each for each in vars(permissions).values() if isinstance(each, Permission)]
    return {each.does for each in known if each.roles & roles}


def _roles(roles: frozenset[Role]) -> str:
    return ", ".join(role.label for role in Role if role in roles) or "None"


def _sessions(person: User) -> int:
    return person.sign_ins.open(timezone.now()).count()


def _tokens(person: User) -> int:
    return person.tokens.in_force(timezone.now()).count()
