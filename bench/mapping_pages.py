"""The measured process: takes the files, exports the earlier half, and maps fees through the whole Django stack."""

import json
import re
import sys
import time
from datetime import date
from pathlib import Path

import django

django.setup()

from django.db import connection, transaction  # noqa: E402
from django.db.backends.postgresql.psycopg_any import DateRange  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402

from apps.core.models import Entity, User  # noqa: E402
from apps.exceptions.models import Case  # noqa: E402
from apps.integrations.files import store  # noqa: E402
from apps.integrations.jobs import create, run_here  # noqa: E402
from apps.integrations.models import Connection  # noqa: E402
from apps.ledger.models import Account, Journal, TaxClass  # noqa: E402
from apps.settlements import journals  # noqa: E402
from apps.settlements.approval import approve  # noqa: E402
from apps.settlements.charts import apply_chart  # noqa: E402
from apps.settlements.exports import export  # noqa: E402
from apps.settlements.models import READ_FILE, FeeRule, RollUp, SettlementVersion  # noqa: E402
from apps.settlements.resolutions import resolve  # noqa: E402
from apps.settlements.rule_versions import undo_rule  # noqa: E402

CHUNK = 1 << 20
FEES = {"many": "Commission", "few": "PilotProgrammeFee000"}
# Materialized, so that the planner hashes the few accounts: left alone it may look each cell up in a GiST index.
PLAIN_SUM = """
    WITH posting AS MATERIALIZED (
        SELECT resolution.signature_id, resolution.period, rule.account_id
        FROM settlements_resolution resolution JOIN settlements_feerule rule ON rule.id = resolution.rule_id
    )
    SELECT cell.version_id, date_trunc('month', cell.day::timestamp), posting.account_id, sum(cell.credit - cell.debit)
    FROM settlements_rollup cell
    JOIN posting ON posting.signature_id = cell.signature_id AND posting.period @> cell.day
    WHERE cell.version_id = ANY(%s)
    GROUP BY 1, 2, 3
"""
CORRECTIONS = "SELECT id FROM ledger_journal WHERE corrects_id IS NOT NULL"
LINES = f"SELECT id FROM ledger_journalline WHERE journal_id IN ({CORRECTIONS})"
ROWS_OF_CORRECTIONS = {
    "ledger_journal": "SELECT * FROM ledger_journal WHERE corrects_id IS NOT NULL",
    "settlements_settlementjournal": f"SELECT * FROM settlements_settlementjournal WHERE journal_id IN ({CORRECTIONS})",
    "ledger_journalline": f"SELECT * FROM ledger_journalline WHERE journal_id IN ({CORRECTIONS})",
    "settlements_journalpart": f"SELECT * FROM settlements_journalpart WHERE journal_line_id IN ({LINES})",
}
here: dict = {}


def open_books(exported_until: str) -> dict:
    """A company whose two fees have an account until a day, all other fees for good."""
    entity = Entity.objects.create(name="Bench Ltd", country="GB", zone="Europe/London", base_currency="GBP")
    mapper = User.objects.create_user(email="mapper@example.org", name="Mapper")
    approver = User.objects.create_user(email="approver@example.org", name="Approver")
    for person in (mapper, approver):
        person.memberships.create(entity=entity, role="finance")
    apply_chart(chart="uk", entity=entity, actor=mapper)
    day = date.fromisoformat(exported_until)
    until_then = DateRange(None, day, "[)")
    FeeRule.objects.filter(entity=entity, amount_type="ItemFees", amount_description="Commission").update(
        period=until_then
    )
    fees = {
        "account": Account.objects.get(entity=entity, code="5190"),
        "tax_class": TaxClass.objects.get(entity=entity, name="Selling fees"),
    }
    rule = {"entity": entity, "amount_type": "ItemFees", "source": "person", "made_by": mapper, **fees}
    FeeRule.objects.create(
        transaction_type="Refund", amount_description="Commission", period=DateRange(day, None, "[)"), **rule
    )
    for number in range(20):
        period = until_then if number == 0 else DateRange(None, None, "[)")
        FeeRule.objects.create(
            transaction_type="Order", amount_description=f"PilotProgrammeFee{number:03}", period=period, **rule
        )
    place = Connection.objects.create(entity=entity, name="Amazon UK")
    client = Client(headers={"host": "localhost"})
    client.force_login(mapper)
    here.update(entity=entity, mapper=mapper, approver=approver, place=place, client=client)
    return {}


def take(file: str) -> dict:
    path = Path(file)
    with path.open("rb") as source:
        stored = store(
            connection=here["place"], name=path.name, chunks=iter(lambda: source.read(CHUNK), b""), actor=here["mapper"]
        )
    job = run_here(create(kind=READ_FILE, entity=here["entity"], file=stored, actor=here["mapper"]))
    if job.result.get("status") != "taken":
        raise SystemExit(f"{path.name}: {job.result.get('words') or job.error}")
    return {}


def export_complete() -> dict:
    """Approve and export what is complete; how many settlements that are."""
    resolve(here["entity"], None)
    drafts = _whole(Journal.objects.filter(state="draft"))
    approve(journals=drafts, actor=here["approver"])
    export(journals=drafts, format="generic", actor=here["approver"])
    here["exported"] = list(
        SettlementVersion.objects.filter(journals__journal__state="exported").values_list("pk", flat=True).distinct()
    )
    return {"exported": len(here["exported"])}


def _whole(drafts):
    """Those of settlements that have no incomplete journal."""
    stopped = SettlementVersion.objects.filter(journals__journal__state="incomplete")
    return list(drafts.exclude(of_settlement__version__in=stopped))


def map_fee(fee: str) -> dict:
    """Preview and apply, then what it left; afterwards everything is as it was before."""
    client, name = here["client"], FEES[fee]
    case = Case.objects.live().get(type="settlement.fee-unmapped", facts__amount_description=name)
    address = reverse("act", args=[case.pk, "map-fee"])
    form = {
        "account": Account.objects.get(entity=here["entity"], code="5120").pk,
        "tax": TaxClass.objects.get(entity=here["entity"], name="Selling fees").pk,
        "where": "here", "match": "exact", "since": "2025-01-01", "reason": "Measured",
    }  # fmt: skip
    begun = time.perf_counter()
    preview = client.post(address, form | {"preview": "1"})
    digest = re.search(r'name="digest" value="([0-9a-f]+)"', preview.content.decode()).group(1)
    done = client.post(address, form | {"digest": digest})
    seconds = time.perf_counter() - begun
    if done.status_code != 302:
        raise SystemExit(f"Mapping {name} answered {done.status_code}.")
    corrections = Journal.objects.filter(corrects__isnull=False)
    rule = FeeRule.objects.in_force().get(amount_description=name, marketplace="Amazon.co.uk")
    found = {
        "seconds": seconds,
        "cases": Case.objects.filter(pk=case.pk, state="resolved").count(),
        "corrected": corrections.values("of_settlement__version").distinct().count(),
        "journals": corrections.count(),
        "lines": sum(RollUp.objects.filter(signature__amount_description=name, signature__transaction_type="Order")
                     .values_list("lines", flat=True)),
        **_correcting(),
    }  # fmt: skip
    undo_rule(rule=rule, reason="Measured again", actor=here["mapper"])
    return found


def _correcting() -> dict:
    """Seconds to make the corrections anew, from roll-ups to commit, and of the SQL that sums those roll-ups and writes the

    same rows without asking what they should be: what any program must do here.
    """
    corrections = Journal.objects.filter(corrects__isnull=False)
    with connection.cursor() as cursor:
        for table, rows in ROWS_OF_CORRECTIONS.items():
            cursor.execute(f"CREATE TEMPORARY TABLE kept_{table} AS {rows}")
    corrections.delete()
    begun = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(PLAIN_SUM, [here["exported"]])
        cursor.fetchall()
        for table in ROWS_OF_CORRECTIONS:
            cursor.execute(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM kept_{table}")
    summing = time.perf_counter() - begun
    with connection.cursor() as cursor:
        for table in ROWS_OF_CORRECTIONS:
            cursor.execute(f"DROP TABLE kept_{table}")
    corrections.delete()
    begun = time.perf_counter()
    journals.rebuild(here["exported"], because="Measured.")
    return {"correcting": time.perf_counter() - begun, "summing": summing}


for question in sys.stdin:
    asked = json.loads(question)
    answer = {"open_books": open_books, "take": take, "export": export_complete, "map_fee": map_fee}[asked.pop("do")](
        **asked
    )
    print(json.dumps(answer), flush=True)
