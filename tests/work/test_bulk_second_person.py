"""Many small changes together may be too much for one person: the whole of a bulk is weighed, company by company."""

from decimal import Decimal

import pytest
from django.db import connection, transaction

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.operations import set_second_person
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.exceptions.weighing import NeedsSecondPerson
from apps.integrations.models import Job
from apps.work import proposals
from apps.work.bulk.beginning import RUN
from apps.work.bulk.models import Bulk
from apps.work.bulk.operations import confirm, stop
from apps.work.bulk.whole import propose
from apps.work.models import Proposal
from tests.exceptions.facts import HOLDS, put
from tests.factories import EntityFactory, MembershipFactory, person
from tests.integrations.threads import in_thread
from tests.polling import eventually, somebody_waits_for_us
from tests.work.bulks import checked, done, results, worked

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("test_types")]


@pytest.fixture(autouse=True)
def no_facts(test_types) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM test_fact")


@pytest.fixture
def entity(transactional_db) -> Entity:
    return company("Brackenfold Home Ltd", limit="250.00")


@pytest.fixture
def marta(entity) -> User:
    return person(Role.FINANCE, entity, name="Marta Lis")


@pytest.fixture
def ian(entity) -> User:
    return person(Role.FINANCE, entity, name="Ian Grove")


def company(name: str, limit: str) -> Entity:
    entity = EntityFactory(name=name, one_person=False)
    admin = person(Role.ADMIN, entity)
    set_second_person(entity=entity, above=Decimal(limit), lines_above=None, reason="Four eyes", actor=admin)
    return entity


def found(entity: Entity, *stakes: int) -> list[Case]:
    for number, stake in enumerate(stakes):
        put(entity, f"fact {number}", stake=str(stake))
    sweep(HOLDS, Scope(entity=entity))
    return list(Case.objects.filter(entity=entity).order_by("subject"))


def fixing(user: User, cases: list[Case]) -> Bulk:
    return checked(user, "fix", {"account": "5110"}, cases)


def approve(row: Proposal, actor: User) -> str:
    return proposals.approve(proposal=row, actor=actor, digest=proposals.review(row).plan.digest)


def test_each_is_light_and_together_they_wait_for_a_second_person(entity, marta, ian):
    cases = found(entity, 100, 100, 100)
    bulk = fixing(marta, cases)
    assert bulk.eligible == 3
    with pytest.raises(NeedsSecondPerson) as needed:
        confirm(bulk=bulk, user=marta, digest=bulk.digest)
    assert needed.value.plan.over == "£300.00 is more than the £250.00 that one person may change alone."
    assert needed.value.plan.effect == "Fix it: 3 exceptions"
    assert needed.value.plan.detail == {"Account": "5110"}, "what the second person decides about"
    (row,) = propose(bulk=bulk, user=marta, digest=bulk.digest)
    assert (row.entity, row.shown["money"], row.asked_by) == (entity, "£300.00", marta)
    with pytest.raises(Refused, match="nobody else to ask"):
        propose(bulk=bulk, user=marta, digest=bulk.digest)
    with pytest.raises(NeedsSecondPerson):  # asked is not approved
        confirm(bulk=bulk, user=marta, digest=bulk.digest)
    with pytest.raises(NotAllowed):
        approve(row, marta)
    put(entity, "fact 1", stake="120")  # that one is not what was approved any more
    assert approve(row, ian) == "Begun. Its page says how far it is."
    bulk.refresh_from_db()
    bulk = worked(bulk)
    assert sorted(results(bulk).values()) == [("done", ""), ("done", ""), ("skipped", "changed")]
    entry = AuditEntry.objects.filter(verb="case.fix").first()
    assert (entry.actor, entry.after["approved by"]) == (marta, "Ian Grove")


def test_within_the_limit_one_person_is_enough(entity, marta):
    bulk = fixing(marta, found(entity, 100, 100))
    with pytest.raises(Refused, match="nobody else to ask"):
        propose(bulk=bulk, user=marta, digest=bulk.digest)
    assert done(bulk).done == 2


def test_what_is_too_heavy_alone_goes_with_the_others(entity, marta, ian):
    bulk = fixing(marta, found(entity, 100, 900))
    assert bulk.eligible == 2
    approve(propose(bulk=bulk, user=marta, digest=bulk.digest)[0], ian)
    bulk.refresh_from_db()
    assert worked(bulk).done == 2


def test_each_company_is_weighed_against_its_own_limits(entity, marta, ian):
    roomy, strict = company("Brackenfold GmbH", "1000.00"), company("Brackenfold SAS", "150.00")
    for other in (roomy, strict):
        MembershipFactory(user=marta, entity=other)
    lea = person(Role.FINANCE, strict, name="Lea Petit")
    cases = found(entity, 100, 100, 100) + found(roomy, 300, 300) + found(strict, 100, 100)
    bulk = fixing(marta, cases)
    first, last = propose(bulk=bulk, user=marta, digest=bulk.digest)
    assert [(row.entity, row.shown["money"]) for row in (first, last)] == [(entity, "£300.00"), (strict, "£200.00")]
    assert not Proposal.objects.visible_to(ian).filter(pk=last.pk).exists()
    assert approve(first, ian) == "Approved. It begins once it is approved for 1 other company too."
    assert first.about == f"Bulk action {bulk.pk}", "what was chosen may name the others' people"
    bulk.refresh_from_db()
    assert bulk.state == "ready"
    approve(last, lea)
    bulk.refresh_from_db()
    assert worked(bulk).done == 7
    by = {entry.entity.name: entry.after.get("approved by") for entry in AuditEntry.objects.filter(verb="case.fix")}
    assert by == {entity.name: "Ian Grove", "Brackenfold GmbH": None, "Brackenfold SAS": "Lea Petit"}


def test_declined_it_stays_and_thrown_away_nothing_waits(entity, marta, ian):
    bulk = fixing(marta, found(entity, 100, 200))
    (row,) = propose(bulk=bulk, user=marta, digest=bulk.digest)
    proposals.decline(proposal=row, words="Not 5110", actor=ian)
    with pytest.raises(NeedsSecondPerson):
        confirm(bulk=bulk, user=marta, digest=bulk.digest)
    (again,) = propose(bulk=bulk, user=marta, digest=bulk.digest)
    with pytest.raises(NotAllowed, match="alone confirms, stops"):
        stop(bulk=bulk, user=ian)
    stop(bulk=bulk, user=marta)
    again.refresh_from_db()
    assert again.state == "withdrawn"
    with pytest.raises(Refused, match="withdrawn"):
        proposals.approve(proposal=again, actor=ian, digest=again.digest)
    assert not AuditEntry.objects.filter(verb="case.fix").exists()


def test_what_its_maker_begins_at_that_moment_is_not_begun_again_by_the_approval(entity, marta, ian):
    bulk = fixing(marta, found(entity, 100, 200))
    (row,) = propose(bulk=bulk, user=marta, digest=bulk.digest)
    admin = User.objects.get(memberships__entity=entity, memberships__role=Role.ADMIN)
    set_second_person(entity=entity, above=None, lines_above=None, reason="No more", actor=admin)
    said = []

    def approving() -> None:
        with pytest.raises(Refused, match="under way, so it is not begun") as refused:
            approve(row, ian)
        said.append(refused.value.code)

    with transaction.atomic():
        confirm(bulk=bulk, user=marta, digest=bulk.digest)
        thread = in_thread(approving)
        eventually(somebody_waits_for_us, "the other one to wait")
    thread.join()
    assert said == ["not-ready"] and Job.objects.filter(kind=RUN).count() == 1
