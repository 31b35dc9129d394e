"""A note between shifts: what it says, what it does with the writer's cases, one that waits, and who signs it as read."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role, Team
from apps.exceptions.models import Case
from apps.exceptions.operations import assign, claim, snooze
from apps.integrations.models import Job, Source, SyncRun
from apps.work.alerts.digests import write_due
from apps.work.alerts.models import Alert, Channel
from apps.work.alerts.rules import Policy
from apps.work.models import ShiftNote
from apps.work.shifts.drafting import Shift, draft
from apps.work.shifts.models import TAKEN_WITHIN
from apps.work.shifts.operations import Choice, end_shift, take_over
from apps.work.workdays import ahead, set_calendar
from tests.factories import ConnectionFactory, EntityFactory, person
from tests.integrations.threads import in_thread
from tests.polling import eventually, somebody_waits_for_us
from tests.work.conftest import HOUR, NOON

DAY = timedelta(days=1)


@pytest.fixture
def priya(entity):
    return person(Role.FINANCE, entity, name="Priya Nair")


@pytest.fixture
def end(entity, marta, priya):
    def end(actor=marta, to=None, words="", choices=None) -> ShiftNote:
        return end_shift(entity=entity, team=Team.FINANCE, actor=actor, to=to, words=words, choices=choices or {})

    return end


def titles(entity, team=Team.FINANCE, since=NOON, now=NOON + 6 * HOUR) -> list[str]:
    return [section.title for section in draft(Shift(entity=entity, team=team, since=since, now=now))]


def test_it_says_what_came_in_what_ended_what_is_due_and_what_sleeps(entity, marta, opened):
    opened(-HOUR, due_at=NOON + 5 * HOUR)
    opened(HOUR)
    ended = {"state": "resolved", "ended_by": marta, "ended_at": NOON + 3 * HOUR, "ending": {"words": "Mapped."}}
    opened(2 * HOUR, **ended)
    opened(2 * HOUR, state="cleared", ended_at=NOON + 3 * HOUR, ending={"words": "Gone."})
    opened(-HOUR, state="snoozed", snoozed_until=NOON + DAY)
    came, gone, due, asleep, *_ = draft(Shift(entity=entity, team=Team.FINANCE, since=NOON, now=NOON + 6 * HOUR))
    assert came.title == "3 exceptions came in, 1 of them is still open"
    assert gone.title == "2 exceptions ended: 1 by people, 1 by themselves"
    assert gone.lines[0].more == "Resolved by Marta Lis. Mapped."
    assert due.title == "1 exception is due until Thu 19 Nov 18:00, 1 of them late already"
    assert due.lines[0].more == "Was due Wed 18 Nov 17:00. Nobody has it."
    assert asleep.title == "1 exception sleeps, the next one until Thu 19 Nov 12:00"
    assert due.lines[0].path == f"/cases/{Case.objects.earliest('pk').pk}/"


def test_nothing_is_said_as_nothing(entity, types):
    assert titles(entity) == [
        "No exception came in",
        "No exception ended",
        "No exception is due until Thu 19 Nov 18:00",
        "No exception sleeps",
        "1 check is not signed",  # the week's, which can be signed from Monday on
        "No job failed",
    ]
    assert titles(entity, Team.ECOMMERCE)[-1] == "1 check is not signed"  # jobs and feeds are not theirs to read
    assert titles(entity, Team.ADMIN)[-2:] == ["No job failed", "No feed runs"]


def test_a_long_list_leads_to_the_queue(entity, opened):
    for _ in range(11):
        opened(HOUR)
    came, *_ = draft(Shift(entity=entity, team=Team.FINANCE, since=NOON, now=NOON + 2 * HOUR))
    assert len(came.lines) == 8 and (came.rest.words, came.rest.path) == ("And 3 more", "/queue/finance/")


def test_jobs_and_feeds_that_stand_still_are_named(entity, types):
    failed = {"kind": "settlements.read-file", "entity": entity, "state": "failed"}
    Job.objects.create(**failed, error="Line 1 has no header.", ended_at=NOON + HOUR)
    Job.objects.create(**failed, error="Of long ago.", ended_at=NOON - HOUR)
    source = Source.objects.create(
        connection=ConnectionFactory(entity=entity, name="Amazon Europe"), feed="amazon.orders", every=HOUR
    )
    Source.objects.update(watched_from=NOON)
    evidence = {"words": "Amazon did not answer."}
    run = SyncRun.objects.create(
        source=source, job=Job.objects.create(kind="integrations.sync", entity=entity), verdict="transient", evidence=evidence,
        ended_at=NOON + HOUR,
    )  # fmt: skip
    *_, jobs, feeds = draft(Shift(entity=entity, team=Team.OPS, since=NOON, now=NOON + 2 * HOUR))
    assert (jobs.title, [line.more for line in jobs.lines]) == ("1 job failed or lost its worker", ["Line 1 has no header."])
    assert feeds.title == "1 feed failed or silent"
    assert feeds.lines[0].more == "Failed Wed 18 Nov 13:00: Amazon did not answer."
    assert feeds.lines[0].path == f"/connections/{run.source.connection_id}/"


def test_hours_of_work_pass_over_days_off(entity, marta):
    ian = person(Role.ADMIN, entity)
    friday = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
    assert ahead(entity, friday, DAY) == friday + DAY
    set_calendar(entity=entity, weekdays=range(5), country="", subdivision="", actor=ian)
    assert ahead(entity, friday, DAY) == friday + 3 * DAY
    assert ahead(entity, friday + DAY, DAY) == datetime(2026, 11, 24, tzinfo=UTC)


def test_a_clock_that_is_put_back_costs_no_hour_of_work(entity):
    before = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)  # the 25th has 25 hours in London
    assert ahead(entity, before, 2 * DAY) == before + 2 * DAY


def test_own_cases_stay_are_put_back_or_go_to_the_next(entity, marta, priya, opened, end):
    kept, freed, handed, others = (opened() for _ in range(4))
    for case in (kept, handed):
        assign(case=case, actor=marta, to=marta)
    for case in (freed, handed):
        claim(case=case, actor=marta)
    claim(case=others, actor=priya)
    choices = {kept.pk: Choice.KEEP, freed.pk: Choice.RELEASE, handed.pk: Choice.HAND, others.pk: Choice.RELEASE}
    note = end(to=priya, words=" Amazon calls back at 9. ", choices=choices)
    for case in (kept, freed, handed, others):
        case.refresh_from_db()
    assert (kept.assigned_to, freed.state, freed.claimed_by) == (marta, "open", None)
    assert (handed.assigned_to, handed.state) == (priya, "open")
    assert others.claimed_by == priya  # nobody's to give away but hers
    assert sorted(move["did"] for move in note.moves) == [
        "Nobody’s from now on", "Priya Nair’s from now on", "Stays Marta Lis’s",
    ]  # fmt: skip
    assert note.words == "Amazon calls back at 9."
    entry = AuditEntry.objects.get(verb="shift.ended")
    assert (entry.actor, entry.after["to"], entry.reason) == (marta, "Priya Nair", "Amazon calls back at 9.")
    assert AuditEntry.objects.about(handed.audit_subject).filter(verb="case.assigned", after__assigned_to="Priya Nair").exists()


def test_a_claim_on_a_colleagues_case_gives_the_colleague_nothing_up(entity, marta, priya, opened, end):
    case = opened()
    assign(case=case, actor=priya, to=priya)
    claim(case=case, actor=marta)
    note = end(choices={case.pk: Choice.RELEASE})
    case.refresh_from_db()
    assert (case.state, case.assigned_to) == ("open", priya)
    assert note.moves[0]["did"] == "Put back; it is Priya Nair’s"


@pytest.mark.django_db(transaction=True)
def test_a_case_that_went_to_a_colleague_meanwhile_stays_theirs(entity, marta, priya, opened, end):
    case, ian = opened(), person(Role.FINANCE, entity, name="Ian Grove")
    assign(case=case, actor=marta, to=marta)
    with transaction.atomic():
        assign(case=case, actor=priya, to=priya)
        thread = in_thread(lambda: end(to=ian, choices={case.pk: Choice.HAND}))
        eventually(somebody_waits_for_us, "the other one to wait")
    thread.join()
    case.refresh_from_db()
    assert case.assigned_to == priya and ShiftNote.objects.get().moves == []


@pytest.mark.django_db(transaction=True)
def test_a_note_that_is_taken_over_at_that_moment_is_not_carried(entity, marta, priya, types, end):
    first = end()
    with transaction.atomic():
        take_over(note=first, actor=priya)
        thread = in_thread(lambda: end(actor=priya, words="Mine"))
        eventually(somebody_waits_for_us, "the other one to wait")
    thread.join()
    assert ShiftNote.objects.get(words="Mine").carries.count() == 0
    first.refresh_from_db()
    assert (first.state, first.taken_by) == ("taken", priya)


def test_all_or_nothing(entity, marta, priya, opened, end):
    first, second = opened(), opened()
    for case in (first, second):
        claim(case=case, actor=marta)
    with pytest.raises(Refused, match="Say to whom"):
        end(choices={first.pk: Choice.RELEASE, second.pk: Choice.HAND})
    first.refresh_from_db()
    assert first.claimed_by == marta and not ShiftNote.objects.exists()


def test_a_second_note_carries_the_one_that_waits_and_one_signature_takes_both(entity, marta, priya, types, end):
    tom = person(Role.FINANCE, entity, name="Tom Ashworth")
    first = end(words="The first")
    second = end(actor=priya, words="The second")
    third = end(actor=marta, words="The third")
    assert ShiftNote.objects.waiting().get() == third
    assert set(third.carries.all()) == {first, second}
    assert second.since == first.written_at and third.since == second.written_at
    with pytest.raises(Refused, match="A later note carries this one"):
        take_over(note=first, actor=tom)
    taken = take_over(note=third, actor=tom)
    assert (taken.taken_by, taken.state) == (tom, "taken") and not ShiftNote.objects.waiting().exists()
    with pytest.raises(Refused, match="Tom Ashworth has taken it over already"):
        take_over(note=third, actor=priya)
    assert end(words="The fourth").carries.count() == 0


def test_who_wrote_it_or_is_none_of_the_team_cannot_sign_it(entity, marta, priya, types, end):
    note = end()
    with pytest.raises(Refused, match="whoever comes next"):
        take_over(note=note, actor=marta)
    with pytest.raises(NotAllowed, match="Marta Lis and Priya Nair can"):
        take_over(note=note, actor=person(Role.VIEWER, entity))
    with pytest.raises(NotAllowed):
        end(actor=person(Role.OPS, entity))


def test_nobody_ends_a_shift_that_nobody_can_take_over(entity, types):
    kofi = person(Role.OPS, entity)
    with pytest.raises(Refused, match="Nobody else works for Operations at Brightfold Ltd"):
        end_shift(entity=entity, team=Team.OPS, actor=kofi, to=None, words="", choices={})
    stranger = person(Role.OPS, EntityFactory())
    person(Role.OPS, entity)
    with pytest.raises(Refused, match="does not work for Operations"):
        end_shift(entity=entity, team=Team.OPS, actor=kofi, to=stranger, words="", choices={})


def test_a_note_stays_as_it_was_written(entity, marta, priya, opened, end):
    case = opened()
    claim(case=case, actor=marta)
    note = end(words="As it was", choices={case.pk: Choice.KEEP})
    snooze(case=case, actor=marta, until=timezone.now() + DAY, reason="Later")
    assert "Marta Lis is on it." in str(ShiftNote.objects.get(pk=note.pk).facts)
    for change in ({"words": "Not so"}, {"facts": []}, {"moves": []}, {"to": priya}):
        with pytest.raises(DatabaseError, match="stays as it was written"), transaction.atomic():
            ShiftNote.objects.filter(pk=note.pk).update(**change)
    take_over(note=note, actor=priya)
    with pytest.raises(DatabaseError), transaction.atomic():
        ShiftNote.objects.filter(pk=note.pk).update(state="waiting", taken_by=None, taken_at=None)
    with pytest.raises(DatabaseError), transaction.atomic():
        note.delete()


def test_the_database_lets_one_note_wait_and_no_writer_sign(entity, marta, priya, types, end):
    note = end()
    with pytest.raises(IntegrityError, match="one_shift_note_waits"), transaction.atomic():
        ShiftNote.objects.create(
            entity=entity, team="finance", written_by=priya, written_at=timezone.now(), since=note.written_at
        )
    with pytest.raises(IntegrityError, match="shift_taken_by_another"), transaction.atomic():
        ShiftNote.objects.filter(pk=note.pk).update(state="taken", taken_by=marta, taken_at=timezone.now())


def test_a_note_that_nobody_takes_over_stands_in_the_mornings_digest(entity, marta, priya, channel):
    at = timezone.now().replace(hour=12, minute=0) - DAY
    ShiftNote.objects.create(entity=entity, team="finance", written_by=marta, written_at=at, since=at - DAY)
    Channel.objects.filter(pk=channel.pk).update(digest_at="07:00", watched_from=at - DAY)
    channel.refresh_from_db()
    write_due(channel, Policy(), at + TAKEN_WITHIN)
    write_due(channel, Policy(), at + DAY)
    early, late = Alert.objects.order_by("pk")
    assert "taken over" not in str(early.body)
    assert [path for words, path in late.body if words.startswith("Nobody has taken over what Marta Lis left")] == [
        f"/shifts/{ShiftNote.objects.get().pk}/"
    ]
