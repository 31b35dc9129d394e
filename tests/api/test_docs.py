"""The requests on the docs pages, typed into a shell as they stand, against the running server."""

import html
import re
import subprocess
from pathlib import Path

import pytest
import requests
from django.db import connection

from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.ledger.models import Journal
from tests.api.conftest import Program
from tests.console.conftest import Company

# A machine without uuidgen has one here; what curl gets that is no success ends the shell, and its address is said.
SHELL = """
set -eo pipefail
uuidgen() { cat /proc/sys/kernel/random/uuid; }
curl() { command curl -sS --fail-with-body "$@"; echo; }
"""
STATUSES = """
uuidgen() { cat /proc/sys/kernel/random/uuid; }
curl() { echo "$(command curl -s -o /dev/null -w '%{http_code}' "$@") $1"; }
"""


@pytest.fixture
def finance(ours: Company, live_server, settings, monkeypatch) -> Program:
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)  # the server's threads outlive their requests
    settings.API_PER_MINUTE = {"read": 10**6, "write": 10**6}
    program = Program(ours.people[Role.FINANCE])
    program.client.force_login(program.user)
    return program


def page(program: Program, url: str) -> str:
    answer = requests.get(url, cookies={"sessionid": program.client.cookies["sessionid"].value}, timeout=30)
    assert answer.status_code == 200
    return answer.text


def lines(text: str) -> str:
    """Those that are typed, of a page."""
    blocks = [html.unescape(block) for block in re.findall(r'<pre class="raw"[^>]*>(.*?)</pre>', text, re.DOTALL)]
    return "\n".join(block for block in blocks if "curl" in block)


def shell(script: str, folder: Path) -> str:
    ran = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout[-1500:] + ran.stderr
    return ran.stdout


def test_the_first_steps_work_as_they_stand(finance: Program, ours: Company, live_server, tmp_path: Path):
    typed = lines(page(finance, f"{live_server.url}/api/v1/docs/"))
    assert f"export CONSOLE={live_server.url}" in typed
    draft = Journal.objects.filter(entity=ours.entity, state="draft").first()
    for example, real in (
        ("TOKEN=oc_…", f"TOKEN={finance.token}"),
        ("CASE=12", f"CASE={ours.fee_case.pk}"),
        ("JOURNAL=12", f"JOURNAL={draft.pk}"),
    ):
        assert example in typed
        typed = typed.replace(example, real)
    note = next(block for block in typed.split("export ") if block.startswith("KEY="))
    again = note[note.index("curl") :]
    shown = shell(f"{SHELL}{typed}\n{again}", tmp_path)
    assert '"settlement.fee-unmapped"' in shown and '"name":"map-fee"' in shown
    assert AuditEntry.objects.filter(verb="case.noted", reason="Our program has seen it.").count() == 1
    draft.refresh_from_db()
    assert (draft.state, draft.approved_by) == ("approved", finance.user)


def test_every_request_that_is_shown_is_well_formed(finance: Program, live_server, tmp_path: Path):
    """It is understood: what it asks for may not be there, or not be possible."""
    kinds = re.findall(r'href="(/api/v1/docs/[a-z-]+/)"', page(finance, f"{live_server.url}/api/v1/docs/"))
    typed = [lines(page(finance, live_server.url + kind)) for kind in kinds]
    (tmp_path / "items.csv").write_text("Item,Title\nBF-1,Mug\n")
    said = f"export CONSOLE={live_server.url} TOKEN={finance.token}\n"
    answers = shell(STATUSES + said + "\n".join(typed), tmp_path).splitlines()
    assert len(answers) >= 100
    (intake,) = [answer for answer in answers if "/intake/" in answer]
    assert intake.startswith("401"), "a platform comes with a key of its own"
    odd = [answer for answer in answers if answer[:3] not in ("200", "201", "403", "404", "409", "422")]
    assert odd == [intake], odd
