"""People: who works in the companies in view, as what, and when they were last here; an admin invites more."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Max, Q
from django.db.models.functions import Greatest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps.console.middleware import UNPROCESSABLE
from apps.console.screens import PAGE, Companies, door, page_of, query_without, render_screen
from apps.core.errors import NotAllowed, Refused
from apps.core.models import Entity, Membership, User
from apps.core.operations import Added, add_person
from apps.core.passwords import give_link, link_ends
from apps.core.permissions import KEEP_PEOPLE, Role
from apps.integrations.letters import send_link


class InviteForm(forms.Form):
    email = forms.EmailField(label="E-mail", max_length=254)
    name = forms.CharField(label="Name", max_length=120, help_text="As it stands in the audit trail.")
    entity = forms.ModelChoiceField(Entity.objects.none(), label="Company", empty_label=None)
    roles = forms.MultipleChoiceField(label="Roles", choices=Role, widget=forms.CheckboxSelectMultiple)

    def __init__(self, companies: list[Entity], data: Any = None):
        super().__init__(data)
        self.fields["entity"].queryset = Entity.objects.filter(pk__in=[company.pk for company in companies])


@door(KEEP_PEOPLE, methods=["GET", "POST"])
def people(request: HttpRequest) -> HttpResponse:
    """By name. A POST invites somebody and shows the link to hand over."""
    mine = kept_companies(request.user, request.companies)
    form, status = InviteForm(mine, request.POST or None), 200
    if form.is_bound:
        if form.is_valid() and (invited := _invite(request, form)):
            return invited
        status = UNPROCESSABLE
    members = Q(memberships__entity__in=mine)
    rows = (
        User.objects.filter(members)
        .annotate(seen=Greatest("last_login", Max("sign_ins__seen_at")))
        .order_by("name", "pk")
    )
    name, _, after = request.GET.get("after", "").rpartition("~")
    if after.isdecimal():
        rows = rows.filter(name__gte=name).exclude(name=name, pk__lte=int(after))
    shown, more = page_of(rows.distinct(), PAGE)
    context = {
        "rows": [(row, roles) for row, roles in _with_roles(shown, mine)],
        "off": User.objects.filter(members, is_active=False).distinct().count(),
        "count": User.objects.filter(members).distinct().count(),
        "form": form,
        "mail_sent": settings.MAIL_SENT,
        "next": f"{shown[-1].name}~{shown[-1].pk}" if more else "",
        "kept": query_without(request, "after"),
        "several": len(mine) > 1,
    }
    return render_screen(request, "people.html", context, status=status)


def kept_companies(user: User, companies: Companies) -> list[Entity]:
    """Those in view in which the person is admin."""
    return [company for company in companies.shown if user.may(KEEP_PEOPLE, company.pk)]


def hand_over(request: HttpRequest, person: User) -> HttpResponse:
    """A new link, shown this once and mailed where mail is sent. Reloading makes another; the first to be used counts."""
    link = request.build_absolute_uri(reverse("set_password", kwargs=give_link(person=person, actor=request.user)))
    send_link(person)
    context = {"person": person, "link": link, "ends": link_ends(), "mail_sent": settings.MAIL_SENT}
    response = render(request, "hand_over.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _invite(request: HttpRequest, form: InviteForm) -> HttpResponse | None:
    """The page with the link; for somebody who has an account already, theirs. None: the words stand in the form."""
    asked = form.cleaned_data
    roles = [Role(role) for role in asked["roles"]]
    try:
        added = add_person(
            email=asked["email"], name=asked["name"], entity=asked["entity"], roles=roles, actor=request.user
        )
    except NotAllowed:
        raise
    except Refused as refused:
        form.add_error(refused.field if refused.field in form.fields else None, refused.words)
        return None
    if (added.closed or added.user.last_login is None) and request.user.keeps(added.user):
        return hand_over(request, added.user)
    if added.closed:
        send_link(added.user)
    messages.success(request, _found(added, asked["entity"]))
    return redirect("person", pk=added.user.pk)


def _found(added: Added, entity: Entity) -> str:
    if added.closed:
        return (
            f"{added.user.name} had an account with a password that an admin elsewhere may know. It opens nothing any more: a "
            f"mail to {added.user.email} brings the link for a new one, and with that they find {entity}."
        )
    return f"{added.user.name} had an account already, and finds {entity} at the next click."


def _with_roles(shown: list[User], companies: list[Entity]) -> list[tuple[User, list[tuple[str, str]]]]:
    """Each with (company, roles in words), of these companies alone."""
    names = {company.pk: company.name for company in companies}
    held: dict[tuple[int, int], set[Role]] = {}
    for user, entity, role in Membership.objects.filter(user__in=shown, entity__in=names).values_list(
        "user_id", "entity_id", "role"
    ):
        held.setdefault((user, entity), set()).add(Role(role))
    return [
        (
            user,
            [
                (name, ", ".join(role.label for role in Role if role in held[user.pk, pk]))
                for pk, name in names.items()
                if (user.pk, pk) in held
            ],
        )
        for user in shown
    ]
