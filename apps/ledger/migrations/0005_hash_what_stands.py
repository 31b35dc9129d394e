"""Journals built before approvals existed get the hash of their lines, so that they can be approved as they stand."""

from itertools import groupby

from django.db import migrations

from apps.ledger.rules import Line, fingerprint


def fill(apps, schema_editor):
    here = schema_editor.connection.alias
    journals = apps.get_model("ledger", "Journal").objects.using(here)
    lines = apps.get_model("ledger", "JournalLine").objects.using(here)
    lines = lines.filter(journal__lines_hash="").select_related("journal").order_by("journal", "number")
    hashed = []
    for journal, rows in groupby(lines, key=lambda row: row.journal):
        said = [Line(row.account_id, row.label, row.tax_code_id, amount=row.credit - row.debit) for row in rows]
        journal.lines_hash = fingerprint(journal.period, journal.dated, said)
        hashed.append(journal)
    journals.bulk_update(hashed, ["lines_hash"])


class Migration(migrations.Migration):
    dependencies = [("ledger", "0004_guards")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
