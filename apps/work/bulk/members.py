"""An action of the members' type, member by member: each in its own transaction, with its own plan."""

import logging
from typing import Any

from django.db import transaction
from django.db.models import F
from django.forms import Form

from apps.core.errors import Refused
from apps.core.models import User
from apps.exceptions.models import Case
from apps.exceptions.operations import DetectorFailed, InvalidForm, PlanChanged, act, plan
from apps.exceptions.types import Weight
from apps.integrations.jobs import hold
from apps.integrations.leases import LeaseLost
from apps.integrations.models import Job
from apps.work.bulk.models import Bulk, BulkMember
from apps.work.bulk.statements import CHANGED
from apps.work.bulk.whole import second_of

Verdict = BulkMember.Verdict
log = logging.getLogger(__name__)


def step(bulk: Bulk, after: int, job: Job) -> int | None:
    """Plan, or do, the next member behind the case id `after`: its case id, None where none is left or somebody stopped it."""
    doing = bulk.state == Bulk.State.RUNNING
    left = BulkMember.objects.filter(bulk=bulk, verdict=Verdict.ELIGIBLE if doing else Verdict.WAITING, case__gt=after)
    member = left.order_by("case_id").first()
    if member is None:
        return None
    try:
        with transaction.atomic():
            if not _write(bulk, member, _do(bulk, member) if doing else _planned(bulk, member)):
                return None
            hold(job)
        return member.case_id
    except LeaseLost:
        raise
    except Refused as refused:
        became = _refused(refused, doing)
    except Exception:  # whatever one member raises is that member's: it is reported, and the others go on
        log.exception("%s of case %s failed in bulk %s", bulk.action, member.case_id, bulk.pk)
        why = f"Internal: a fault of ours, not of your data. The log names it under bulk {bulk.pk}."
        became = {"verdict": Verdict.FAILED if doing else Verdict.NOT_ELIGIBLE, "code": "internal", "why": why}
    with transaction.atomic():
        _write(bulk, member, became)
        hold(job)
    return member.case_id


def _planned(bulk: Bulk, member: BulkMember) -> dict[str, Any]:
    form, planned = plan(**_asked(bulk, member))
    if planned is None:
        raise InvalidForm(form)
    return {"verdict": Verdict.ELIGIBLE, "why": planned.says, "seen": planned.digest, "weight": _kept(planned.weight)}


def _do(bulk: Bulk, member: BulkMember) -> dict[str, str]:
    asked = _asked(bulk, member)
    outcome = act(**asked, digest=member.seen, second=second_of(bulk, asked["case"].entity_id))
    return {"verdict": Verdict.DONE, "why": outcome.words}


def _asked(bulk: Bulk, member: BulkMember) -> dict[str, Any]:
    """By the person with the roles of this moment."""
    case = Case.objects.select_related("entity").get(pk=member.case_id)
    return {"case": case, "action": bulk.action_declared, "actor": User.objects.get(pk=bulk.made_by_id), "data": bulk.data}


def _kept(weight: Weight | None) -> dict[str, Any] | None:
    return weight and {"lines": weight.lines, "money": {currency: str(amount) for currency, amount in weight.money.items()}}


def _refused(refused: Refused, doing: bool) -> dict[str, str]:
    """What is refused is skipped; a check that failed may work the next time."""
    code, why = refused.code, refused.words
    if isinstance(refused, PlanChanged):
        code, why = CHANGED.code, f"It changed since the dry run. Now: {refused.plan.says}"
    if isinstance(refused, InvalidForm):
        why = _faults(refused.form)
    skipped = Verdict.FAILED if isinstance(refused, DetectorFailed) else Verdict.SKIPPED
    return {"verdict": skipped if doing else Verdict.NOT_ELIGIBLE, "code": code, "why": why}


def _faults(form: Form) -> str:
    """The form's faults, each with its field."""
    beside = [f"{field.label}: {fault}" for field in form for fault in field.errors]
    return " ".join([*form.non_field_errors(), *beside])


def _write(bulk: Bulk, member: BulkMember, became: dict[str, Any]) -> bool:
    """Keep what became of the member, unless somebody stopped the bulk meanwhile."""
    counted = became["verdict"].replace("-", "_")
    still = Bulk.objects.filter(pk=bulk.pk, state=bulk.state).update(**{counted: F(counted) + 1})
    if still:
        BulkMember.objects.filter(bulk=bulk, case=member.case_id).update(**{"code": "", **became})
    return bool(still)
