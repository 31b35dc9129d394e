"""The first steps of an empty system, with what is done already."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from apps.console.screens import Companies, door, render_screen
from apps.core.models import Entity, User
from apps.core.permissions import APPLY_CHART, MAP_FEES, READ_MONEY, TAKE_FILES, Permission
from apps.core.refusals import who_can
from apps.exceptions.models import State, Tally
from apps.integrations.models import StoredFile
from apps.ledger.models import Account
from apps.settlements.models import Settlement

FEE_UNMAPPED = "settlement.fee-unmapped"


@dataclass(frozen=True)
class Step:
    """`url` is empty where there is nothing to press; `who` says who can where this person cannot."""

    title: str
    done: bool
    says: str
    url: str = ""
    press: str = ""
    who: str = ""


@door()
def start(request: HttpRequest) -> HttpResponse:
    company = request.companies.shown[0] if request.companies.shown else None
    steps = _steps(request.user, company) if company else []
    context: dict[str, Any] = {
        "company": company,
        "others_exist": not company and Entity.objects.exists(),
        "steps": steps,
        "now": next((step for step in steps if not step.done), None),
        "left": sum(not step.done for step in steps),
    }
    return render_screen(request, "start.html", context)


def nothing_read_yet(user: User, companies: Companies) -> bool:
    """Whether somebody who reads money has a system without a single file."""
    entities = user.entities_where(READ_MONEY)
    return bool(entities) and not StoredFile.objects.filter(connection__entity_id__in=entities).exists()


def _steps(user: User, company: Entity) -> list[Step]:
    accounts = Account.objects.filter(entity=company).count()
    settlements = Settlement.objects.filter(entity=company).count()
    unmapped = sum(
        Tally.objects.filter(entity=company, type=FEE_UNMAPPED)
        .exclude(state=State.SNOOZED)
        .values_list("cases", flat=True)
    )
    return [
        Step(
            "The company",
            True,
            f"{company.name}: months close in {company.zone.replace('_', ' ')}, ranking is in {company.base_currency}. "
            "The zone is fixed from the first settlement on.",
        ),
        _step(
            user,
            company,
            APPLY_CHART,
            "charts",
            "Choose a chart of accounts",
            "A chart and mapping",
            bool(accounts),
            f"{accounts} accounts are here."
            if accounts
            else "Says to which account each Amazon fee posts. You see what it adds before it does.",
        ),
        _step(
            user,
            company,
            TAKE_FILES,
            "upload",
            "Upload a settlement",
            "The first settlement file",
            bool(settlements),
            f"{settlements} here."
            if settlements
            else "Seller Central, Payments, Reports repository: the flat file V2, as Amazon sends it.",
        ),
        _step(
            user,
            company,
            MAP_FEES,
            "queue",
            "Open the finance queue",
            "An account for each fee that has none",
            bool(settlements) and not unmapped,
            f"{unmapped} wait in the finance queue."
            if unmapped
            else "Each one stands in the finance queue with the money that it blocks.",
            args=["finance"],
        ),
    ]


def _step(
    user: User,
    company: Entity,
    permission: Permission,
    name: str,
    press: str,
    title: str,
    done: bool,
    says: str,
    args: list[str] | None = None,
) -> Step:
    if not user.may(permission, company.pk):
        return Step(title, done, says, who=who_can(permission, [company.pk]))
    return Step(title, done, says, url=reverse(name, args=args), press=press)
