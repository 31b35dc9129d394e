"""What the database itself refuses of the ledger, whatever the code does."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.backends.postgresql.psycopg_any import DateRange

from apps.ledger.models import Account, Journal, JournalLine, TaxClass, TaxCode, TaxRule
from tests.factories import EntityFactory, UserFactory, approved

pytestmark = pytest.mark.django_db


@pytest.fixture
def entity():
    return EntityFactory()


@pytest.fixture
def account(entity):
    return Account.objects.create(entity=entity, code="4000", name="Sales", kind="income")


def journal(entity, state="draft", key="stl:1:202610:1") -> Journal:
    period = date(2026, 10, 1)
    return Journal.objects.create(entity=entity, key=key, currency="GBP", period=period, dated=period, state=state)


def fill(journal, *lines) -> None:
    for number, (account, debit, credit) in enumerate(lines, 1):
        JournalLine.objects.create(
            journal=journal, number=number, account=account, label="x", debit=debit, credit=credit
        )


def refused(words: str):
    """The statements inside are refused at the latest when the transaction would commit."""

    class Refused:
        def __enter__(self):
            self.raises = pytest.raises(IntegrityError, match=words)
            self.raises.__enter__()
            self.savepoint = transaction.atomic()
            self.savepoint.__enter__()

        def __exit__(self, kind, error, trace):
            if kind is None:
                try:
                    connection.check_constraints()
                except IntegrityError as late:
                    kind, error, trace = type(late), late, late.__traceback__
            self.savepoint.__exit__(kind, error, trace)
            return self.raises.__exit__(kind, error, trace)

    return Refused()


def test_debits_equal_credits(entity, account):
    with refused("does not balance"):
        fill(journal(entity), (account, 10, 0), (account, 0, Decimal("9.99")))


def test_no_line_leaves_a_balanced_journal(entity, account):
    booked = journal(entity)
    fill(booked, (account, 10, 0), (account, 0, 10))
    connection.check_constraints()
    for statement in (
        "DELETE FROM ledger_journalline WHERE number = 1",
        "UPDATE ledger_journalline SET debit = 11 WHERE number = 1",
    ):
        with refused("does not balance"), connection.cursor() as cursor:
            cursor.execute(statement)


def test_a_temporary_table_of_the_same_name_hides_no_imbalance(entity, account):
    booked = journal(entity)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE ledger_journalline (LIKE public.ledger_journalline) ON COMMIT DROP")
        with refused("does not balance"):
            cursor.execute(
                "INSERT INTO public.ledger_journalline (journal_id, number, account_id, label, debit, credit)"
                " VALUES (%s, 1, %s, 'x', 10, 0)",
                [booked.pk, account.pk],
            )


def test_a_line_that_moves_leaves_no_journal_unbalanced(entity, account):
    first, second = journal(entity), journal(entity, key="stl:2:202610:1")
    for booked in (first, second):
        fill(booked, (account, 10, 0), (account, 0, 10))
    connection.check_constraints()
    with refused("stl:1:202610:1 does not balance"):
        first.lines.filter(debit=10).update(journal=second, number=3)
        JournalLine.objects.create(journal=second, number=4, account=account, label="x", credit=10)


@pytest.mark.parametrize(("state", "mapped"), [("draft", False), ("incomplete", True)])
def test_incomplete_is_exactly_a_journal_with_a_line_without_account(entity, account, state, mapped):
    with refused("a line without an account"):
        fill(journal(entity, state), (account, 10, 0), (account if mapped else None, 0, 10))


def test_no_journal_with_a_line_without_account_is_approved(entity, account):
    booked = journal(entity, "incomplete")
    fill(booked, (account, 10, 0), (None, 0, 10))
    with refused("is approved but has a line without an account"):
        approved(booked, UserFactory())


def test_a_line_is_debit_or_credit(entity, account):
    for debit, credit in ((1, 1), (-1, 0), (0, -1)):
        with refused("debit_or_credit"):
            fill(journal(entity), (account, debit, credit))


def test_a_journal_key_is_used_once(entity):
    journal(entity)
    with refused("key"):
        journal(entity)


def test_one_account_per_code_and_per_role(entity, account):
    with refused("one_account_per_code"):
        Account.objects.create(entity=entity, code="4000", name="Other", kind="income")
    Account.objects.create(entity=entity, code="1200", name="Clearing", kind="asset", role="clearing")
    with refused("one_account_per_role"):
        Account.objects.create(entity=entity, code="1201", name="Clearing too", kind="asset", role="clearing")


def test_tax_rules_of_a_leg_do_not_overlap(entity, account):
    code = TaxCode.objects.create(entity=entity, code="20", name="20 %", rate=20, account=account)
    fees = TaxClass.objects.create(entity=entity, name="Fees", default_leg="GB>GB")
    TaxRule.objects.create(tax_class=fees, leg="GB>GB", period=DateRange(date(2024, 8, 1), None), tax_code=code)
    TaxRule.objects.create(tax_class=fees, leg="GB>DE", period=DateRange(date(2024, 8, 1), None), tax_code=code)
    TaxRule.objects.create(tax_class=fees, leg="GB>GB", period=DateRange(None, date(2024, 8, 1)), tax_code=code)
    with refused("one_tax_rule_at_a_time"):
        TaxRule.objects.create(tax_class=fees, leg="GB>GB", period=DateRange(date(2025, 1, 1), None), tax_code=code)


def test_a_rate_above_zero_names_its_account(entity):
    with refused("taxed_has_account"):
        TaxCode.objects.create(entity=entity, code="20", name="20 %", rate=20)
