"""Which changes take a second person: those heavier than the limits that the company's admins set."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from django.forms import Form

from apps.core.errors import NotAllowed, Refused
from apps.core.models import Entity, User
from apps.core.money import ZERO, words
from apps.core.permissions import Permission, check_may
from apps.exceptions.reference import rates_of
from apps.exceptions.types import Plan


class NeedsSecondPerson(Refused):
    """The change is above the company's limit. Nothing was done: `plan` is what a second person would be asked for."""

    def __init__(self, plan: Plan, form: Form):
        super().__init__(f"{plan.over} Nothing was changed.", code="needs-second-person")
        self.plan = plan
        self.form = form


def weighed(entity: Entity, plan: Plan) -> Plan:
    """The plan with `over` filled in where it is above a limit. A company with the one-person setting has no second person."""
    if plan.weight is None or entity.one_person:
        return plan
    lines = plan.weight.lines
    if entity.second_lines_above is not None and lines > entity.second_lines_above:
        over = f"{lines:,} lines are more than the {entity.second_lines_above:,} that one person may change alone."
        return replace(plan, over=over)
    if entity.second_above is None:
        return plan
    rates, today = rates_of(entity), datetime.now(ZoneInfo(entity.zone)).date()
    worths = {currency: rates.worth(money, currency, today) for currency, money in sorted(plan.weight.money.items())}
    worth = sum((each for each, _ in worths.values()), ZERO)
    if worth <= entity.second_above:
        return plan
    guessed = [currency for currency, (_, known) in worths.items() if not known]
    said = f"{words(worth, entity.base_currency)} is more than the {words(entity.second_above, entity.base_currency)}"
    one_to_one = f" {', '.join(guessed)} counts 1:1, because no rate is entered." if guessed else ""
    return replace(plan, over=f"{said} that one person may change alone.{one_to_one}")


def check_second(
    plan: Plan, form: Form, *, permission: Permission, entity: Entity, actor: User, second: User | None
) -> None:
    """Refuse what is above the limit unless another person who may do it too has approved it."""
    if not plan.over:
        return
    if second is None:
        raise NeedsSecondPerson(plan, form)
    if second == actor:
        raise NotAllowed("Who asked for a change does not approve it. Nothing was changed.")
    check_may(second, permission, entity)
