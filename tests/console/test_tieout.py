"""The proof: every figure leads down to its lines, and each line to the bytes that came."""

import random
import re
from decimal import Decimal

import pytest
from django.urls import reverse

from apps.core.permissions import Role
from apps.integrations.models import Connection
from apps.ledger.models import Account, Journal, TaxRule
from apps.settlements.approval import approve
from apps.settlements.charts import apply_chart
from apps.settlements.exports import export
from apps.settlements.models import FeeRule, OrderLeg, Settlement, SettlementVersion
from apps.settlements.versions import choose_version
from tests.console.conftest import Company, signed_in
from tests.console.pages import Page
from tests.factories import ConnectionFactory, person
from tests.settlements.files import SALE, File, line
from tests.settlements.take import take

pytestmark = pytest.mark.django_db(transaction=True)
FEES = ("Commission", "FBAPerUnitFulfillmentFee", "DigitalServicesFee", "NewReturnFee")
FIGURE = re.compile(r"[−\d,.]+")


@pytest.fixture
def place() -> Connection:
    return ConnectionFactory()


@pytest.fixture
def client(place):
    marta = person(Role.FINANCE, place.entity, name="Marta Lis")
    apply_chart(chart="uk", entity=place.entity, actor=marta)
    return signed_in(marta)


def settlement_over_a_month_end(seed: int) -> File:
    """300 lines of ten orders; half of the orders' legs will be known."""
    rng = random.Random(seed)

    def one() -> dict:
        kind = {"amount_type": "ItemFees", "amount_description": rng.choice(FEES)} if rng.random() < 0.6 else {}
        day = rng.choice(["24.10.2026", "31.10.2026", "01.11.2026", "07.11.2026"])
        at = f"{day} {rng.randrange(24):02}:30:00 UTC"
        amount = f"{rng.randrange(-9000, 9000) / 100:.2f}"
        return line(amount, order_id=f"202-{rng.randrange(10)}", posted_date_time=at, **kind)

    return File(lines=tuple(one() for _ in range(300)), end="07.11.2026 23:59:59 UTC", line_end="\r\n")


def total(page: Page) -> tuple[str, Decimal]:
    """("418 lines", −12.34) of the heading of a list of lines."""
    lines, _, money = page.heading.partition(", ")
    return lines.split()[0], Decimal(money.replace("−", "-").replace("£", "").replace(",", ""))


def test_figures_of_page_and_journal_lead_to_their_lines_and_these_to_the_file(client, place):
    raw = settlement_over_a_month_end(3).bytes()
    OrderLeg.objects.bulk_create(
        OrderLeg(connection=place, order_id=f"202-{n}", ship_from="GB", ship_to="DE" if n % 2 else "GB")
        for n in range(5)
    )
    take(place, raw)
    rows = raw.split(b"\r\n")
    tieout = Page(client.get(reverse("settlement", args=["30000000001"])))
    assert tieout.heading.startswith("Settlement 30000000001 ties out to the cent")
    pages = [tieout]
    for journal in Journal.objects.all():
        pages.append(Page(client.get(reverse("journal", args=[journal.pk]))))
    links = [link for page in pages for link in page.links]
    figures = [(words, href) for words, href in links if "/lines/?" in href and FIGURE.fullmatch(words)]
    for words, href in random.Random(5).sample(figures, 20):
        lines = Page(client.get(href))
        counted, money = total(lines)
        assert words == counted or Decimal(words.replace("−", "-").replace(",", "")) == money, href
        listed = [(number, to) for number, to in lines.links if re.search(r"/lines/\d+/", to)]
        assert len(listed) == min(int(counted), 100), href
        number, to = random.Random(words).choice(listed)
        assert Page(client.get(to)).raw.encode() == rows[int(number) - 1]


@pytest.mark.parametrize("account", ["5100", "4000", "none"])
def test_the_lines_of_an_account_are_those_that_the_page_counts(client, place, account):
    take(place, settlement_over_a_month_end(4))
    address = reverse("settlement_lines", args=["30000000001"])
    whole = client.get(f"{address}?account={account}")
    first, second = whole.context["lines"], 0
    assert first
    for month in ("2026-10", "2026-11"):
        second += client.get(f"{address}?account={account}&month={month}").context["lines"]
    assert first == second
    listed, after = [], ""
    while after is not None:
        page = client.get(f"{address}?account={account}&after={after}").context
        listed += page["rows"]
        after = page["next"] or None
    assert len(listed) == first
    assert sum(row.amount for row in listed) == whole.context["amount"]


def figures(response) -> list[tuple[str, Decimal | None, Decimal]]:
    return [(figure.label, figure.amount, figure.gap) for figure in response.context["equal"]]


def test_five_equal_figures_and_what_was_checked(ours: Company):
    response = ours.client(Role.FINANCE).get(reverse("settlement", args=[ours.settlement.settlement_id]))
    words = response.content.decode()
    assert words.count("<b>£100.80</b>") == 5
    assert "differs" not in words
    for said in ("1 without an account", "Debits equal credits in October", "4 lines in the file, 4 in the signatures"):
        assert said in words
    assert "Carried forward from month to month: 0.00 is left" in words
    assert ours.version.file.sha256 in words


def test_a_held_settlement_shows_the_difference_where_it_is_and_the_way_out(ours: Company):
    words = ours.client(Role.FINANCE).get(reverse("settlement", args=[ours.held.settlement_id])).content.decode()
    page = Page(ours.client(Role.FINANCE).get(reverse("settlement", args=[ours.held.settlement_id])))
    assert page.heading == "Settlement 40000000001 is £104.00 away from its payout"
    assert words.count('class="differs"') == 1 and "£104.00 apart" in words, "signatures and lines are equal again"
    assert "Only the version that counts has journals" in words
    assert page.linked("Upload the corrected file").startswith("/settlements/upload/?replaces=")
    viewer = ours.client(Role.VIEWER).get(reverse("settlement", args=[ours.held.settlement_id])).content.decode()
    assert "Upload the corrected file" not in viewer


def exported(settlement) -> None:
    ian = person(Role.FINANCE, settlement.entity, name="Ian Grove")
    drafts = Journal.objects.filter(of_settlement__version__settlement=settlement, state="draft")
    export(journals=approve(journals=drafts, actor=ian), format="generic", actor=ian)


def test_a_settlement_that_was_corrected_still_ties_and_shows_each_correction_beneath_its_month(client, place):
    take(place, File())
    found = Settlement.objects.get()
    exported(found)
    take(place, File(lines=(*SALE, line("5.00"))))
    choose_version(
        settlement=found, version=found.versions.get(number=2), reason="Fresh", actor=place.entity.memberships.first().user
    )
    response = client.get(reverse("settlement", args=["30000000001"]))
    assert [amount for _, amount, _ in figures(response)] == [110] * 5
    assert not any(gap for *_, gap in figures(response))
    headings = re.findall(r"<h2 id=\"j\d+\"><a [^>]*>([^<]*)", response.content.decode())
    assert headings == [
        "Journal, October 2026", "Correction of October 2026", "Journal, November 2026", "Correction of November 2026"
    ]  # fmt: skip
    assert "2 of them" in response.content.decode() or "2 corrections of them" in response.content.decode()
    first = client.get(reverse("settlement", args=["30000000001"]) + "?version=1")
    assert Page(first).heading == "Settlement 30000000001 goes by another version than this"
    assert [amount for _, amount, _ in figures(first)] == [105, None, None, 105, 105]


def test_a_fee_on_the_clearing_account_itself_leaves_the_figures_equal(client, place):
    clearing = Account.objects.get(entity=place.entity, role="clearing")
    FeeRule.objects.filter(entity=place.entity, amount_description="Commission").update(account=clearing, tax_class=None)
    take(place, File())
    exported(Settlement.objects.get())
    assert {amount for _, amount, _ in figures(client.get(reverse("settlement", args=["30000000001"])))} == {105}


def test_a_negative_payout_ties(client, place):
    take(place, File(lines=(line("10.00"), line("-45.50", amount_type="ItemFees", amount_description="Commission"))))
    response = client.get(reverse("settlement", args=["30000000001"]))
    assert {amount for _, amount, _ in figures(response)} == {Decimal("-35.50")}
    assert response.content.decode().count("<b>−£35.50</b>") == 5


def test_the_proof_names_its_file_and_who_looks_at_it(ours: Company):
    words = ours.client(Role.FINANCE).get(reverse("settlement", args=[ours.settlement.settlement_id])).content.decode()
    (imprint,) = re.findall(r'<dl class="facts printonly imprint">.*?</dl>', words)
    for said in (ours.version.file.sha256, ours.people[Role.FINANCE].name, ours.entity.name, "version 1, taken"):
        assert said in imprint


def test_the_older_version_stays_readable(ours: Company):
    changed = File(settlement_id=ours.settlement.settlement_id)
    take(ours.connection, changed, name="again.txt")
    client = ours.client(Role.FINANCE)
    address = reverse("settlement", args=[ours.settlement.settlement_id])
    assert "ties out to the cent" in Page(client.get(address)).heading
    assert "came again with other rows" in Page(client.get(f"{address}?version=2")).heading
    assert client.get(f"{address}?version=3").status_code == 404
    assert SettlementVersion.objects.get(number=2).state == "changed"


def test_the_raw_file_comes_back_byte_for_byte(ours: Company):
    response = ours.client(Role.FINANCE).get(reverse("file_raw", args=[ours.version.file_id]))
    assert b"".join(response.streaming_content).startswith(b"settlement-id\tsettlement-start-date")
    assert 'filename="settlement.txt"' in response["Content-Disposition"]


def test_an_incomplete_journal_names_the_line_without_an_account(ours: Company):
    journal = Journal.objects.get(entity=ours.entity, state="incomplete")
    page = ours.client(Role.FINANCE).get(reverse("journal", args=[journal.pk]))
    assert "1 line of the October 2026 journal has no account" in Page(page).heading
    assert "No account: Order / ItemFees / NewReturnFee" in page.content.decode()


def test_a_signature_names_the_rule_that_wins_and_those_that_lose(ours: Company):
    signature = ours.entity.signatures.get(amount_description="Commission")
    page = ours.client(Role.FINANCE).get(reverse("signature", args=[signature.pk]))
    assert Page(page).heading == "Commission posts to 5100 Referral fees"
    assert "Wins" in page.content.decode()
    unmapped = ours.entity.signatures.get(amount_description="NewReturnFee")
    page = ours.client(Role.FINANCE).get(reverse("signature", args=[unmapped.pk]))
    assert "has no account" in Page(page).heading and "No rule matches" in page.content.decode()


def test_a_missing_tax_code_stands_among_what_stops_the_settlement(client, place):
    TaxRule.objects.filter(tax_class__entity=place.entity, tax_class__name="FBA fees").delete()
    take(place, File(lines=(line("-9.80", amount_type="ItemFees", amount_description="FBAPerUnitFulfillmentFee"),)))
    page = client.get(reverse("settlement", args=["30000000001"])).content.decode()
    assert "No tax code for FBA fees from GB to GB" in page
