"""Bulks made and worked in this process."""

from collections.abc import Iterable
from typing import Any

from apps.core.models import User
from apps.exceptions.models import Case
from apps.integrations import jobs
from apps.work.bulk.models import Bulk
from apps.work.bulk.operations import confirm, freeze
from apps.work.filters import CaseFilter


def checked(
    user: User, action: str, data: dict[str, Any] | None = None, cases: Iterable[Case] | None = None, **asked: str
) -> Bulk:
    """Frozen and dry-run: these cases, or what the filter asks for."""
    which = {"filter": CaseFilter.of(asked)} if cases is None else {"case_ids": [case.pk for case in cases]}
    return worked(freeze(user=user, action=action, data=data or {}, entity_ids=list(user.teams_seen_in()), **which))


def done(bulk: Bulk) -> Bulk:
    return worked(confirm(bulk=bulk, user=bulk.made_by, digest=bulk.digest))


def worked(bulk: Bulk) -> Bulk:
    """With its job run to the end here."""
    job = jobs.run_here(bulk.job)
    assert job.error == ""
    bulk.refresh_from_db()
    return bulk


def results(bulk: Bulk) -> dict[int, tuple[str, str]]:
    """{case: (verdict, code)}"""
    return {case: (verdict, code) for case, verdict, code in bulk.cases.values_list("case_id", "verdict", "code")}
