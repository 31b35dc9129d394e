"""Choosing the version of a settlement that came again with other rows."""

from decimal import Decimal

import pytest
from django.db.models import Sum

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.operations import InvalidForm, PlanChanged, perform, plan
from apps.ledger.models import Journal, JournalLine
from apps.settlements.approval import approve
from apps.settlements.differences import difference
from apps.settlements.exception_types.choose_version import CHOOSE_VERSION
from apps.settlements.exports import export
from apps.settlements.leg_changes import load_order_legs
from apps.settlements.models import OrderLeg, Settlement, SettlementVersion
from apps.settlements.versions import choose_version
from tests.factories import person
from tests.settlements.files import SALE, File, line
from tests.settlements.take import figures, take

pytestmark = pytest.mark.django_db(transaction=True)
FIRST = File(end="31.10.2026 23:59:59 UTC")  # £105.00
DEARER = line("-25.00", amount_type="ItemFees", amount_description="Commission")
SECOND = FIRST.but(lines=(*SALE[:2], DEARER, line("5.00", sku="MUG-02")))  # £100.00
THIRD = FIRST.but(lines=(*SALE, line("1.00")))


@pytest.fixture
def changed(place):
    """A settlement that came twice, both adding up."""
    take(place, FIRST, name="first.txt")
    assert take(place, SECOND, name="second.txt")["status"] == "changed"
    return Settlement.objects.get()


def version(number: int) -> SettlementVersion:
    return SettlementVersion.objects.get(number=number)


def states() -> list[str]:
    return list(SettlementVersion.objects.order_by("number").values_list("state", flat=True))


def case() -> Case:
    return Case.objects.live().get(type="settlement.changed")


def choose(settlement, number: int, actor) -> SettlementVersion:
    return choose_version(settlement=settlement, version=version(number), reason="Amazon's own", actor=actor)


def press(number: int, actor, **asked):
    data = {"version": str(version(number).pk), "reason": "Equal to a fresh download"}
    shown = plan(case=case(), action=CHOOSE_VERSION, actor=actor, data=data)[1]
    return perform(case=case(), action=CHOOSE_VERSION, actor=actor, data=data, **({"digest": shown.digest} | asked))


def clearing() -> Decimal:
    sums = JournalLine.objects.filter(account__role="clearing").aggregate(debit=Sum("debit"), credit=Sum("credit"))
    return sums["debit"] - sums["credit"]


def books() -> dict[str, Decimal]:
    """Account -> debits less credits over all journals."""
    rows = JournalLine.objects.values("account__code").annotate(amount=Sum("debit") - Sum("credit"))
    return {row["account__code"]: row["amount"] for row in rows if row["amount"]}


def leave(settlement, ian) -> list[str]:
    """Approve and export all there is; the keys."""
    journals = list(Journal.objects.filter(of_settlement__version__settlement=settlement, state="draft"))
    export(journals=approve(journals=journals, actor=ian), format="generic", actor=ian)
    return [journal.key for journal in journals]


def test_the_lines_that_differ_are_told_by_version_with_their_money(changed):
    found = difference(version(1), version(2))
    assert [(odd.version.number, odd.line, odd.times, odd.amount) for odd in found.shown] == [
        (1, 5, 1, -15), (2, 5, 1, -25), (2, 6, 1, 5)
    ]  # fmt: skip
    assert (found.kept.lines, found.kept.amount, found.other.lines, found.other.amount) == (1, -15, 2, -20)
    assert [(row.account.code, row.kept, row.other) for row in found.accounts] == [
        ("4000", 100, 105), ("5100", -15, -25)
    ]  # fmt: skip


def test_a_line_that_stands_twice_is_counted_not_joined(place):
    take(place, File(lines=(*SALE, SALE[0])))
    take(place, File(lines=(*SALE, SALE[0], SALE[0], SALE[0])))
    found = difference(version(1), version(2))
    assert [(odd.version.number, odd.line, odd.times) for odd in found.shown] == [(2, 8, 2)]
    assert (found.lines, found.not_shown, found.other.amount) == (2, 0, 200)


def test_a_choice_before_anything_was_approved_builds_the_drafts_from_the_chosen_file(changed, priya):
    outcome = press(2, priya)
    assert outcome.resolved and outcome.words == "Version 2 counts now."
    assert states() == ["superseded", "taken"]
    assert [(journal.key, journal.state) for journal in Journal.objects.all()] == [("stl:30000000001:202610:1", "draft")]
    assert clearing() == 100
    assert Journal.objects.get().of_settlement.version == version(2)
    said = AuditEntry.objects.get(verb="version.chosen")
    assert (said.actor, said.before, said.reason) == (priya, {"version": 1}, "Equal to a fresh download")
    assert (said.after["version"], said.after["superseded"], said.after["total"]) == (2, [1], "100.00")


def test_the_preview_says_what_the_journals_come_to_and_changes_nothing(changed, priya):
    before = (states(), books())
    data = {"version": str(version(2).pk), "reason": "x"}
    _, shown = plan(case=case(), action=CHOOSE_VERSION, actor=priya, data=data)
    assert shown.effect == "Use version 2 and rebuild 1 journal"
    choice = shown.detail["choice"]
    (currency,) = choice.comparison.currencies
    assert [(row.name, row.before, row.after) for row in currency.accounts if "clearing" in row.name] == [
        ("1200 Amazon clearing", "£105.00", "£100.00")
    ]
    assert (choice.difference.lines, choice.dates) == (3, [])
    assert (states(), books()) == before


def test_a_choice_after_approval_returns_the_journal_to_draft_and_says_why(changed, priya, ian):
    approve(journals=list(Journal.objects.all()), actor=ian)
    data = {"version": str(version(2).pk), "reason": "x"}
    _, shown = plan(case=case(), action=CHOOSE_VERSION, actor=priya, data=data)
    assert shown.detail["choice"].comparison.returned == ["stl:30000000001:202610:1"]
    press(2, priya)
    journal = Journal.objects.get()
    assert journal.state == "draft"
    assert "Priya Nair chose version 2 of settlement 30000000001" in journal.returned
    assert clearing() == 100


def test_a_choice_after_export_books_the_difference_and_clearing_equals_the_new_payout(changed, priya, ian):
    leave(changed, ian)
    left = list(JournalLine.objects.values("pk", "account", "debit", "credit"))
    data = {"version": str(version(2).pk), "reason": "x"}
    _, shown = plan(case=case(), action=CHOOSE_VERSION, actor=priya, data=data)
    assert shown.effect == "Use version 2 and write 1 correction"
    press(2, priya)
    correction = Journal.objects.get(state="draft")
    assert (correction.key, correction.corrects.key) == ("stl:30000000001:202610:2", "stl:30000000001:202610:1")
    assert clearing() == version(2).total == 100
    assert books()["5100"] == Decimal("20.83"), "£25.00 less 20 % tax"
    assert list(JournalLine.objects.exclude(journal=correction).values("pk", "account", "debit", "credit")) == left


def test_what_was_exported_of_both_choices_comes_back_to_the_first(place, changed, priya, ian):
    before = books()
    leave(changed, ian)
    press(2, priya)
    leave(changed, ian)
    take(place, THIRD)
    press(3, priya)
    leave(changed, ian)
    assert clearing() == version(3).total == 106
    assert books()["5100"] == before["5100"]


def test_keeping_the_present_one_changes_no_journal(changed, priya, ian):
    leave(changed, ian)
    before = list(Journal.objects.values())
    assert press(1, priya).resolved
    assert states() == ["taken", "superseded"]
    assert list(Journal.objects.values()) == before


def test_the_months_and_dates_are_those_of_the_chosen_file(place, priya, ian):
    take(place, FIRST)
    settlement = Settlement.objects.get()
    leave(settlement, ian)
    take(place, SECOND.but(end="07.11.2026 00:00:00 UTC"))
    _, shown = plan(
        case=case(), action=CHOOSE_VERSION, actor=priya, data={"version": str(version(2).pk), "reason": "x"}
    )
    assert shown.detail["choice"].dates == ["End: 31.10.2026 23:59:59 UTC becomes 07.11.2026 00:00:00 UTC"]
    press(2, priya)
    settlement.refresh_from_db()
    assert f"{settlement.end_at:%d.%m.%Y}" == "07.11.2026"
    assert list(Journal.objects.order_by("key").values_list("key", flat=True)) == [
        "stl:30000000001:202610:1", "stl:30000000001:202610:2", "stl:30000000001:202611:1"
    ]  # fmt: skip
    assert clearing() == 100
    forward = JournalLine.objects.filter(account__role="carried-forward").aggregate(debit=Sum("debit"), credit=Sum("credit"))
    assert forward["debit"] == forward["credit"] == 100


def test_a_version_that_does_not_tie_cannot_be_chosen_and_says_why(place, changed, priya):
    take(place, SECOND.but(total="90.00"))
    words = "Its lines are £10.00 away from its payout, so it cannot be chosen."
    with pytest.raises(Refused, match=words):
        choose(changed, 3, priya)
    form, shown = plan(
        case=case(), action=CHOOSE_VERSION, actor=priya, data={"version": str(version(3).pk), "reason": "x"}
    )
    assert (shown, form.errors["version"]) == (None, [words])
    assert states() == ["taken", "changed", "changed"]


def test_versions_of_which_none_ties_offer_no_choice(place):
    take(place, FIRST.but(total="1.00"))
    take(place, FIRST.but(total="2.00"))
    assert not CHOOSE_VERSION.available(case())


def test_a_file_in_another_currency_is_no_version_to_choose(place, priya):
    take(place, FIRST)
    take(place, SECOND.but(currency="EUR"))
    with pytest.raises(Refused, match="in EUR, the journals of this settlement are in GBP"):
        choose(Settlement.objects.get(), 2, priya)


def test_only_whoever_maps_fees_chooses_and_says_why(changed, priya):
    with pytest.raises(NotAllowed):
        choose(changed, 2, person(Role.VIEWER, changed.entity))
    with pytest.raises(Refused, match="Say why"):
        choose_version(settlement=changed, version=version(2), reason=" ", actor=priya)
    with pytest.raises(InvalidForm):
        perform(case=case(), action=CHOOSE_VERSION, actor=priya, data={"reason": "x"}, digest="")
    assert states() == ["taken", "changed"]


def test_where_nothing_waits_there_is_nothing_to_choose(place, priya):
    take(place, FIRST)
    with pytest.raises(Refused, match="no other version waits"):
        choose(Settlement.objects.get(), 1, priya)


def test_what_was_put_away_is_not_chosen_again(changed, priya):
    """Its roll-ups do not know where orders went that came to be known since."""
    choose(changed, 2, priya)
    with pytest.raises(Refused, match=r"Version 1 was put away before\."):
        choose(changed, 1, priya)
    assert states() == ["superseded", "taken"]


def test_a_third_version_between_preview_and_choice_is_shown_first(place, changed, priya):
    data = {"version": str(version(2).pk), "reason": "x"}
    _, shown = plan(case=case(), action=CHOOSE_VERSION, actor=priya, data=data)
    take(place, THIRD)
    with pytest.raises(PlanChanged):
        press(2, priya, digest=shown.digest)
    assert states() == ["taken", "changed", "changed"]


def test_a_later_version_opens_the_case_anew_and_names_the_earlier_one(place, changed, priya):
    first = case()
    press(2, priya)
    take(place, THIRD)
    again = case()
    assert again.pk != first.pk and again.earlier == first
    assert again.facts["kept"]["version"] == 2


@pytest.mark.parametrize("file", [FIRST, SECOND])
def test_both_files_read_known_after_the_choice(place, changed, priya, file):
    press(2, priya)
    assert take(place, file)["status"] == "known"
    assert take(place, file, again=True)["status"] == "known"
    assert (states(), clearing()) == (["superseded", "taken"], 100)


def test_legs_that_came_since_are_in_the_journals_of_the_chosen_file(place, changed, priya):
    press(2, priya)
    take(place, THIRD)
    load_order_legs(connection=place, rows=[("202-0000001-0000001", "GB", "DE")], actor=priya)
    assert OrderLeg.objects.count() == 1
    press(3, priya)
    assert set(version(3).rollups.values_list("leg", flat=True)) == {"GB>DE"}
    assert figures(take(place, THIRD), "status", "ties") == ("known", True)
