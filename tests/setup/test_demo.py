"""The demo: loaded once through the real path, with one of each thing that stops a settlement, and its own logins."""

from collections import Counter

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.test import RequestFactory, override_settings

from apps.core.models import Entity, User
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.types import REGISTRY
from apps.settlements.models import FileReading
from opsconsole.demo.people import PASSWORD, PRIYA, logins
from opsconsole.demo.story import settlement_files

# What orders, stock and connections raise comes with the stand-in for Amazon.
OF_FILES = {code for code in REGISTRY if code.startswith(("settlement.", "ledger.", "file.", "erp.", "job."))} - {
    "settlement.order-unknown"
}
IN_DEMO = override_settings(
    DEMO=True,
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend", "opsconsole.demo.login.DemoLogin"],
)


def test_the_files_are_the_same_each_time():
    assert [file.text for file in settlement_files()] == [file.text for file in settlement_files()]


@pytest.mark.django_db
def test_outside_demo_mode_the_command_refuses():
    with pytest.raises(CommandError, match="answers to this machine alone"):
        call_command("load_demo")
    assert not Entity.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_it_loads_once_and_its_people_sign_in_only_in_demo_mode(capsys):
    with IN_DEMO:
        call_command("load_demo")
        assert capsys.readouterr().out.strip() == logins()
        before = Case.objects.count()
        call_command("load_demo")
        printed = capsys.readouterr()
        assert printed.out.strip() == logins()
        assert "nothing to do" in printed.err
        assert Case.objects.count() == before

        found = authenticate(RequestFactory().post("/login/"), username=PRIYA.email, password=PASSWORD)
        assert found == User.objects.get(email=PRIYA.email)
        assert authenticate(RequestFactory().post("/login/"), username=PRIYA.email, password="wrong") is None
    assert authenticate(RequestFactory().post("/login/"), username=PRIYA.email, password=PASSWORD) is None

    assert set(User.objects.values_list("memberships__role", flat=True)) == set(Role)
    assert User.objects.filter(memberships__role=Role.FINANCE).distinct().count() == 2
    assert Counter(FileReading.objects.values_list("status", flat=True)) == {
        "taken": 14, "held": 2, "changed": 1, "refused": 1,
    }  # fmt: skip
    assert set(Case.objects.live().values_list("type", flat=True)) == OF_FILES
