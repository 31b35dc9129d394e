"""What a channel is told, as the beat writes it, and that a dry run over history says the same."""

from datetime import time, timedelta
from decimal import Decimal

import pytest
from django.db.models import F
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, User
from apps.core.permissions import Role, Team
from apps.exceptions.models import Case
from apps.work.alerts.candidates import severity_in_sql
from apps.work.alerts.channels import add_channel, change_channel, open_address, set_policy
from apps.work.alerts.deciding import decide
from apps.work.alerts.dry_run import dry_run
from apps.work.alerts.models import Alert, AlertCase, Channel
from apps.work.alerts.rules import Policy, severity_of
from tests.factories import EntityFactory, person
from tests.work.conftest import HOUR, NOON

pytestmark = pytest.mark.django_db
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
WEBHOOK = "https://hooks.chat.example/services/T0/B0/a-secret-9XyZ"


def told(channel: Channel) -> list[tuple[str, str, str]]:
    return [(alert.kind, alert.state, alert.subject.rpartition(" · ")[0]) for alert in channel.alerts.order_by("pk")]


def test_the_database_and_the_rules_agree_on_severity(opened):
    for worth in ("0", "49.99", "50", "999.99", "1000", "9999.99", "10000"):
        for holds in (True, False):
            opened(worth=Decimal(worth), holds_back=holds)
    for case in Case.objects.annotate(said=severity_in_sql(Policy())):
        assert case.said == severity_of(case.worth, case.holds_back, Policy()), case.worth


def test_a_severe_case_is_told_once_with_the_link_to_its_action(channel, opened):
    case = opened(subject="GiftWrap")
    opened(type="alert.tax", worth=10)
    for minutes in (0, 1, 2):
        decide(channel.pk, NOON + HOUR + minutes * MINUTE)
    alert = channel.alerts.get()
    assert alert.subject == "High: Fee types unmapped: GiftWrap · Brightfold Ltd"
    assert alert.body[0] == ["£2,000.00 at stake. Due Saturday 12:00.", ""]
    assert alert.body[-1] == ["Map it", f"/cases/{case.pk}/?action=map"]
    assert (alert.job.kind, alert.job.state, alert.state) == ("alerts.send", "waiting", "waiting")


def test_what_was_there_before_the_channel_is_not_told_and_what_grows_is_told_again(channel, opened):
    opened(-6 * HOUR)
    case = opened()
    decide(channel.pk, NOON + HOUR)
    Case.objects.filter(pk=case.pk).update(worth=20000)
    decide(channel.pk, NOON + HOUR + MINUTE)
    Case.objects.filter(pk=case.pk).update(worth=2000)
    decide(channel.pk, NOON + 3 * HOUR)
    assert [subject.partition(":")[0] for _, _, subject in told(channel)] == ["High", "Critical"]


def test_the_deadline_near_and_past_are_told(channel, opened):
    opened(due_at=NOON + 9 * HOUR)
    for hours in range(1, 12):
        decide(channel.pk, NOON + hours * HOUR)
    subjects = [subject.partition(":")[0] for kind, _, subject in told(channel) if kind == "immediate"]
    assert subjects == ["High", "Critical, due soon", "Critical, past its deadline"]


def test_a_held_case_is_silent_with_the_reason_and_escalates_when_let_go(channel, opened, entity, marta):
    until = NOON + 3 * HOUR
    case = opened(state="claimed", claimed_by=marta, claimed_until=until, due_at=NOON + 6 * HOUR)
    decide(channel.pk, NOON + HOUR)
    assert channel.alerts.get().reason == "Marta Lis is on it."
    Case.objects.update(state="open", claimed_by=None, claimed_until=None)
    AuditEntry.objects.create(
        actor_name="opsconsole", entity=entity, verb="case.woken", subject=f"case:{case.pk}", at=until,
        before={"state": "claimed"},
    )
    Channel.objects.update(watched_from=NOON)
    decide(channel.pk, until + MINUTE)
    alert = channel.alerts.latest("pk")
    assert (alert.kind, alert.subject.partition(":")[0]) == ("immediate", "Critical, due soon")
    decide(channel.pk, until + 2 * MINUTE)
    alert = channel.alerts.latest("pk")
    assert (alert.kind, alert.subject.partition(":")[0]) == ("escalation", "Critical, let go with the deadline near")
    assert ["Ask the tax adviser.", ""] in alert.body


def test_nobody_on_it_goes_to_the_channel_for_escalations_once(channel, opened, entity, marta):
    lead = add_channel(
        entity=entity, team=Team.FINANCE, name="Lead", kind="email", address="lead@b.example", escalations=True, actor=marta
    )
    Channel.objects.update(watched_from=NOON)
    opened()
    for hours in (1, 5, 6, 30):
        for each in (channel, lead):
            decide(each.pk, NOON + hours * HOUR)
    assert told(lead) == [("escalation", "waiting", "High, nobody is on it: Fee types unmapped: " + Case.objects.get().subject)]
    assert "escalation" not in [kind for kind, _, _ in told(channel)]


def test_an_assigned_case_tells_its_person_once_and_not_the_team(channel, opened, entity, marta):
    chat = add_channel(entity=entity, team=Team.FINANCE, name="#fin", kind="chat", address=WEBHOOK, actor=marta)
    Channel.objects.update(watched_from=NOON)
    opened(assigned_to=marta)
    for each in (channel, chat):
        decide(each.pk, NOON + HOUR)
        decide(each.pk, NOON + 30 * HOUR)
    alert = Alert.objects.get()
    assert (alert.person, alert.channel) == (marta, channel)


@pytest.mark.parametrize("leave", ["off", "role"])
def test_a_case_of_somebody_who_left_the_team_tells_the_team(leave, channel, opened, marta):
    opened(assigned_to=marta)
    if leave == "off":
        User.objects.filter(pk=marta.pk).update(is_active=False)
    else:
        marta.memberships.update(role=Role.VIEWER)
    decide(channel.pk, NOON + HOUR)
    assert channel.alerts.get().person is None


def looked(channel: Channel, *hours: float) -> list[str]:
    """What is told in these looks, of cases to which nothing happens meanwhile but what the test says."""
    before = channel.alerts.count()
    for each in hours:
        decide(channel.pk, NOON + each * HOUR)
    return [subject.partition(":")[0] for _, _, subject in told(channel)[before:]]


def test_a_look_reads_what_is_new_and_no_more(channel, opened, django_assert_max_num_queries):
    for _ in range(3):
        opened()
    Case.objects.update(changed_at=F("opened_at"))
    assert looked(channel, 1, 5, 9) == ["High", "High, nobody is on it"]
    opened(9 * HOUR, type="alert.tax")
    Case.objects.update(changed_at=F("opened_at"))
    with django_assert_max_num_queries(40) as asked:
        assert looked(channel, 9.1) == ["High"]
    (candidates,) = [query["sql"] for query in asked.captured_queries if "unheld_since" in query["sql"]]
    assert f"IN ({Case.objects.get(type='alert.tax').pk})" in candidates


def test_what_grew_since_is_told_however_long_ago_it_opened(channel, opened):
    opened()
    Case.objects.update(changed_at=F("opened_at"))
    assert looked(channel, 1, 5, 9, 20) == ["High", "High, nobody is on it"]
    Case.objects.update(worth=20000)
    assert looked(channel, 21) == ["Critical"]


def test_a_case_let_go_escalates_once_its_patience_is_over_and_not_before(channel, opened, entity):
    case = opened()
    Case.objects.update(changed_at=F("opened_at"))
    assert looked(channel, 1) == ["High"]
    AuditEntry.objects.create(
        actor_name="Marta Lis", entity=entity, verb="case.released", subject=case.audit_subject, at=NOON + 10 * HOUR
    )
    Channel.objects.update(looked_at=NOON + 10 * HOUR)
    assert looked(channel, 11, 13.9) == []
    assert looked(channel, 14) == ["High, nobody is on it"]


def test_the_case_of_somebody_who_leaves_the_team_is_nobodys_from_then_on(channel, opened, marta):
    opened(assigned_to=marta)
    Case.objects.update(changed_at=F("opened_at"))
    assert looked(channel, 1, 6, 20) == ["High"]
    User.objects.filter(pk=marta.pk).update(is_active=False)
    assert looked(channel, 21) == ["High, nobody is on it"]


def test_after_a_standstill_the_first_look_tells_what_came_meanwhile(channel, opened):
    opened(due_at=NOON + 20 * HOUR)
    Case.objects.update(changed_at=F("opened_at"))
    assert looked(channel, 0.5, 30) == ["Critical, past its deadline"]


def test_what_was_let_go_before_the_channel_watched_is_not_told(channel, opened, entity):
    case = opened(-9 * HOUR, due_at=NOON - HOUR)
    AuditEntry.objects.create(
        actor_name="opsconsole", entity=entity, verb="case.woken", subject=case.audit_subject, at=NOON - 2 * HOUR,
        before={"state": "claimed"},
    )  # fmt: skip
    assert looked(channel, 0.1, 1) == []


def test_a_snoozed_case_is_silent(channel, opened):
    opened(state="snoozed", snoozed_until=NOON + DAY)
    decide(channel.pk, NOON + HOUR)
    assert told(channel) == []


def test_a_flood_is_one_message_with_its_trend_and_one_line_when_it_calms(channel, opened):
    for n in range(12):
        opened(-(n + 1) * DAY, state="cleared", ended_at=NOON)
    for _ in range(41):
        opened(HOUR, stake=10, worth=2000)
    decide(channel.pk, NOON + HOUR + MINUTE)
    opened(HOUR + 10 * MINUTE)
    decide(channel.pk, NOON + HOUR + 11 * MINUTE)
    flood = channel.alerts.get()
    assert flood.subject == "Flood. Fee types unmapped: 3 a week until today 13:00, 41 since · Brightfold Ltd"
    assert flood.body[-1] == ["See them in the queue", "/queue/finance/?type=alert.fee"]
    assert AlertCase.objects.filter(alert=flood).count() == 42
    decide(channel.pk, NOON + 3 * HOUR)
    assert told(channel)[1:] == [("flood", "waiting", "Calm again: Fee types unmapped")]
    opened(4 * HOUR)
    decide(channel.pk, NOON + 4 * HOUR)
    assert [kind for kind, _, _ in told(channel)] == ["flood", "flood", "immediate"]


def test_through_a_flood_breaks_what_is_louder_once_and_the_flood_takes_the_rest(channel, opened, marta):
    for _ in range(20):
        opened()
    decide(channel.pk, NOON + HOUR + MINUTE)
    opened(HOUR + 2 * MINUTE, worth=20000, subject="Loud", assigned_to=marta)
    decide(channel.pk, NOON + HOUR + 2 * MINUTE)
    for n in range(3, 9):
        opened(HOUR + n * MINUTE, worth=20000)
        decide(channel.pk, NOON + HOUR + n * MINUTE)
    assert [(kind, subject.partition(":")[0]) for kind, _, subject in told(channel)] == [
        ("flood", "Flood. Fee types unmapped"), ("immediate", "Critical"),
    ]  # fmt: skip
    loud = channel.alerts.get(kind="immediate")
    assert (loud.person, "Loud" in loud.subject) == (None, True)
    assert AlertCase.objects.filter(alert__kind="flood").count() == 20 + 6
    Alert.objects.filter(pk=loud.pk).update(state="silenced")  # somebody took it before it left
    opened(HOUR + 10 * MINUTE, worth=20000)
    decide(channel.pk, NOON + HOUR + 10 * MINUTE)
    assert [subject.partition(":")[0] for _, _, subject in told(channel)][2:] == ["Critical"]


def test_through_a_flood_of_all_kinds_several_break_as_one_message(channel, opened):
    for n in range(32):
        opened(type=("alert.fee", "alert.tax", "settlement.fee-unmapped", "alert.gone")[n % 4])
    decide(channel.pk, NOON + HOUR + MINUTE)
    opened(HOUR + 2 * MINUTE, worth=20000, stake=20000, subject="Wrap")
    opened(HOUR + 2 * MINUTE, worth=20000, stake=30000, subject="Rate", type="alert.tax")
    decide(channel.pk, NOON + HOUR + 2 * MINUTE)
    loud = channel.alerts.get(kind="immediate")
    assert loud.subject == "Critical: 2 × All kinds of Finance exceptions, £50,000.00 at stake · Brightfold Ltd"
    assert sorted(words for words, _ in loud.body) == [
        "All in the queue", "Fee types unmapped: Wrap", "Tax codes unmapped: Rate",
    ]  # fmt: skip


def test_a_case_whose_words_fail_is_told_in_plain_ones_and_stops_no_other(channel, opened, caplog):
    """A real type that reads what this case's facts do not have."""
    broken = opened(type="settlement.fee-unmapped", facts={})
    with pytest.raises(KeyError):
        broken.kind.headline(broken)
    opened(subject="GiftWrap")
    Channel.objects.update(digest_at=time(14, 0))
    for minutes in (0, 1, 2):
        decide(channel.pk, NOON + HOUR + minutes * MINUTE)
    assert sorted(subject for _, _, subject in told(channel)) == [
        "High: Fee types unmapped: GiftWrap", f"High: {broken.kind.title}, exception {broken.pk}",
    ]  # fmt: skip
    alert = channel.alerts.get(type=broken.type)
    assert alert.body == [["£2,000.00 at stake. Due Saturday 12:00.", ""], ["Open the case", f"/cases/{broken.pk}/"]]
    assert [record.getMessage() for record in caplog.records] == [f"The words of case {broken.pk} failed"]
    assert caplog.records[0].exc_info[0] is KeyError


def test_other_measures_tell_nothing_of_what_was_there_before(channel, opened, entity):
    for n in range(3):
        opened(worth=200 * n, due_at=NOON + 3 * HOUR)
    decide(channel.pk, NOON + 2 * HOUR)
    assert told(channel) == []
    low = vars(Policy()) | {"normal_from": 1, "high_from": 1, "critical_from": 2, "near": HOUR / 2}
    set_policy(entity=entity, actor=person(Role.ADMIN, entity), reason="Louder", all_clear=False, **low)
    channel.refresh_from_db()
    assert HOUR <= timezone.now() - channel.watched_from < HOUR + MINUTE  # what waits, waits for an hour at most
    Channel.objects.update(watched_from=NOON + 2 * HOUR + MINUTE / 2)  # as if it had been then
    decide(channel.pk, NOON + 2 * HOUR + MINUTE)
    assert told(channel) == []
    decide(channel.pk, NOON + 2.5 * HOUR)
    assert [subject.partition(":")[0] for _, _, subject in told(channel)] == ["Critical, due soon"]


def test_a_quiet_hour_holds_what_can_wait(channel, opened):
    Channel.objects.update(quiet_from=time(12, 0), quiet_until=time(15, 30))
    opened()
    opened(type="alert.tax", due_at=NOON + 3 * HOUR)
    decide(channel.pk, NOON + HOUR)
    leave = dict(channel.alerts.values_list("type", "leaves_at"))
    assert leave == {"alert.fee": NOON + 3.5 * HOUR, "alert.tax": NOON + HOUR}
    assert channel.alerts.get(type="alert.fee").job.not_before == NOON + 3.5 * HOUR


def test_the_digest_comes_once_a_morning_and_counts(channel, opened, marta):
    Channel.objects.update(digest_at=time(14, 0))
    first = opened(-HOUR, due_at=NOON)
    opened(due_at=NOON + 4 * HOUR, currency="EUR", assigned_to=marta)
    for n in range(3):
        opened(-2 * DAY, state="cleared" if n else "resolved", ended_at=NOON)
    for hours in (1, 2, 3):
        decide(channel.pk, NOON + hours * HOUR)
    alert = channel.alerts.get(kind="digest")
    assert alert.subject == "Finance, Wed 18 Nov: 1 past the deadline, 1 due today · Brightfold Ltd"
    assert alert.body == [
        ["1 past the deadline", "/queue/finance/?due=overdue"],
        ["1 due today", "/queue/finance/?due=today"],
        ["2 new since yesterday", "/queue/finance/?opened=day"],
        ["1 held by nobody", "/queue/finance/?view=nobody"],
        ["3 exceptions ended, 2 of them by themselves (66 %).", ""],
        ["£2,000.00 + €2,000.00 at stake in 2 exceptions.", ""],
        [f"1. Fee types unmapped: {first.subject}", f"/cases/{first.pk}/?action=map"],
        [f"2. Fee types unmapped: {Case.objects.get(currency='EUR').subject}", alert.body[-1][1]],
    ]


def test_with_nothing_to_say_the_digest_is_silent_or_says_all_clear(channel, entity):
    Channel.objects.update(digest_at=time(8, 0))
    decide(channel.pk, NOON + DAY)
    assert [(alert.state, alert.reason) for alert in channel.alerts.all()] == [("silenced", "There was nothing to say.")]
    ian = person(Role.ADMIN, entity)
    measures = {name: getattr(Policy(), name) for name in Policy.__dataclass_fields__}
    set_policy(entity=entity, actor=ian, reason="We like it", all_clear=True, **measures)
    decide(channel.pk, NOON + 2 * DAY)
    alert = channel.alerts.latest("pk")
    assert (alert.state, alert.body) == ("waiting", [["Nothing waits. All clear.", ""]])


def test_a_dry_run_over_what_happened_says_what_the_beat_sent(channel, opened, entity):
    """The same rules from the same start, asked each quarter of an hour and whenever something happened."""
    Channel.objects.update(watched_from=NOON - 7 * DAY, quiet_from=time(20, 0), quiet_until=time(7, 0))
    channel.refresh_from_db()
    for n in range(18):
        worth, kind = (100, 2000, 20000)[n % 3], ("alert.fee", "alert.tax")[n % 2]
        since = timedelta(hours=n * 5 % 17, minutes=n) - 22 * HOUR
        opened(since, worth=worth, type=kind, due_at=NOON + since + timedelta(hours=2 * n))
    for n in range(14):
        opened(-24 * HOUR + n * MINUTE, worth=1500)
    Case.objects.update(changed_at=F("opened_at"))  # nothing happened to them since: each look finds them by its own stretch
    instants = {NOON - 24 * HOUR + n * timedelta(minutes=15) for n in range(24 * 4 + 1)}
    policy = Policy()
    for case in Case.objects.all():
        unheld = case.opened_at + policy.unheld(severity_of(case.worth, case.holds_back, policy))
        instants |= {case.opened_at, case.due_at, case.due_at - policy.near, unheld}
    for at in sorted(at for at in instants if at <= NOON):
        decide(channel.pk, at)
    sent = [(alert.leaves_at, alert.type, alert.severity) for alert in channel.alerts.order_by("leaves_at", "type", "pk")]
    said = dry_run(channel, policy, NOON)
    assert len(sent) > 15
    assert sorted((each.at, each.type, int(each.severity)) for each in said.sent) == sorted(sent)
    assert said.counts["Flood"] == 1 and said.counts["Escalation"] > 3


def test_a_dry_run_takes_what_the_form_says_of_escalations(channel, opened):
    Channel.objects.update(escalations=True)
    opened(-2 * DAY)
    channel.refresh_from_db()
    assert dry_run(channel, Policy(), NOON).counts == {"Escalation": 1}
    channel.escalations = False
    assert dry_run(channel, Policy(), NOON).counts == {"At once": 1, "Escalation": 1}


def test_a_webhooks_address_is_never_shown(entity, marta):
    added = add_channel(entity=entity, team=Team.FINANCE, name="#fin", kind="chat", address=WEBHOOK, actor=marta)
    assert added.address == "hooks.chat.example …9XyZ"
    assert open_address(added) == WEBHOOK
    assert "a-secret" not in str(list(AuditEntry.objects.values()))
    assert b"a-secret" not in bytes(added.sealed)


@pytest.mark.parametrize(
    "address",
    [
        "http://hooks.example/a", "https://127.0.0.1/a", "https://[::1]/a", "https://localhost/", "https://10.0.0.8/a",
        "https://169.254.169.254/latest", "https://[::ffff:10.0.0.8]/", "https://user:pw@hooks.example/", "ftp://hooks.example/",
        "hooks.example", "https://", "https://hooks.example:99999/", "https://hooks.example/\r\nX: y",
        "https://hooks..example/a", f"https://{'h' * 64}.example/a", f"https://{'.'.join(['h' * 60] * 4)}/a",
        "https://[64:ff9b::a9fe:a9fe]/latest", "https://[2002:7f00:1::]/a", "https://[::7f00:1]/a", "https://[fec0::1]/a",
    ],
)  # fmt: skip
def test_an_address_that_is_not_https_to_a_public_host_is_refused(address, entity, marta, settings):
    settings.WEBHOOKS_TO_PRIVATE = False
    with pytest.raises(Refused) as refused:
        add_channel(entity=entity, team=Team.FINANCE, name="#fin", kind="chat", address=address, actor=marta)
    assert refused.value.field == "address"


def test_a_mail_address_that_is_too_long_to_keep_is_refused(entity, marta):
    address = f"{'o' * 60}@{'.'.join(['b' * 60] * 3)}.example"
    with pytest.raises(Refused) as refused:
        add_channel(entity=entity, team=Team.FINANCE, name="Finance", kind="email", address=address, actor=marta)
    assert refused.value.field == "address"


def test_who_keeps_a_channel(entity, marta, channel):
    kofi, ian = person(Role.OPS, entity), person(Role.ADMIN, entity)
    with pytest.raises(NotAllowed, match="Finance's own people and admins"):
        change_channel(channel=channel, actor=kofi, active=False)
    with pytest.raises(NotAllowed):
        change_channel(channel=channel, actor=person(Role.ADMIN, EntityFactory()), active=False)
    assert not change_channel(channel=channel, actor=ian, active=False).active
    with pytest.raises(NotAllowed, match="Admin can"):
        set_policy(entity=entity, actor=marta, reason="", all_clear=False, **vars(Policy()))
