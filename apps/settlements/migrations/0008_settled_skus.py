"""The lines that each version has of a listing, also of what was read before."""

import django.db.models.deletion
from django.db import migrations, models

from apps.integrations.marketplaces import SITES

READ_BEFORE = """
    CREATE TEMPORARY TABLE sold ON COMMIT DROP AS
        SELECT settlement.connection_id, site.marketplace, line.sku, line.version_id, count(*) AS lines, sum(line.amount) AS amount
        FROM settlements_settlementline line
        JOIN settlements_feesignature signature ON signature.id = line.signature_id
        JOIN unnest(%(sites)s::text[], %(marketplaces)s::text[]) site (name, marketplace)
            ON site.name = lower(signature.marketplace)
        JOIN settlements_settlementversion version ON version.id = line.version_id
        JOIN settlements_settlement settlement ON settlement.id = version.settlement_id
        WHERE line.sku <> '' AND length(line.sku) <= 120
        GROUP BY 1, 2, 3, 4;
    INSERT INTO catalog_listing (connection_id, marketplace, sku, asin, title, channel, fnsku, ean, picture)
        SELECT DISTINCT connection_id, marketplace, sku, '', '', '', '', '', '' FROM sold
        ON CONFLICT ON CONSTRAINT one_listing_per_sku DO NOTHING;
    INSERT INTO settlements_settledsku (listing_id, version_id, lines, amount)
        SELECT listing.id, sold.version_id, sold.lines, sold.amount
        FROM sold JOIN catalog_listing listing USING (connection_id, marketplace, sku);
    DROP TABLE sold
"""


def fill(apps, schema_editor):
    sites = {"sites": list(SITES), "marketplaces": list(SITES.values())}
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(READ_BEFORE, sites)


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0002_what_cut_a_mapping"),
        ("settlements", "0007_left_stays_by_statement"),
    ]

    operations = [
        migrations.CreateModel(
            name="SettledSku",
            fields=[
                ("pk", models.CompositePrimaryKey("listing_id", "version_id", blank=True, editable=False, primary_key=True, serialize=False)),
                ("lines", models.IntegerField()),
                ("amount", models.DecimalField(decimal_places=4, max_digits=18)),
                ("listing", models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to="catalog.listing")),
                ("version", models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to="settlements.settlementversion")),
            ],
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
