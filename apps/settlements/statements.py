"""SQL that writes journals in bulk. Rows come as one array a column."""

BOOKED_PARTS = """
    SELECT line.journal_id, line.account_id, line.tax_code_id, line.label,
           part.signature_id, part.leg, part.default_leg, part.lines, part.amount
    FROM ledger_journalline line JOIN settlements_journalpart part ON part.journal_line_id = line.id
    WHERE line.journal_id = ANY(%(journals)s) AND line.account_id = ANY(%(accounts)s)
"""
WRITE_JOURNALS = """
    WITH wanted AS (
        SELECT * FROM unnest(
            %s::bigint[], %s::text[], %s::text[], %s::date[], %s::date[], %s::text[], %s::bigint[], %s::text[], %s::int[],
            %s::numeric[], %s::bigint[], %s::date[], %s::int[], %s::text[]
        ) entry (entity_id, key, currency, period, dated, state, corrects_id, lines_hash, default_leg_lines, default_leg_amount,
                 version_id, month, number, parts_hash)
    ), written AS (
        INSERT INTO ledger_journal AS journal (
            entity_id, key, currency, period, dated, state, corrects_id, lines_hash, default_leg_lines, default_leg_amount,
            approved_hash, returned)
        SELECT entity_id, key, currency, period, dated, state, corrects_id, lines_hash, default_leg_lines, default_leg_amount,
               '', ''
        FROM wanted
        ON CONFLICT (key) DO UPDATE SET
            period = excluded.period, dated = excluded.dated, state = excluded.state, corrects_id = excluded.corrects_id,
            lines_hash = excluded.lines_hash, default_leg_lines = excluded.default_leg_lines,
            default_leg_amount = excluded.default_leg_amount, built_at = statement_timestamp()
        RETURNING key, id
    )
    INSERT INTO settlements_settlementjournal (version_id, journal_id, month, number, parts_hash)
    SELECT version_id, id, month, number, parts_hash FROM wanted JOIN written USING (key)
    ON CONFLICT (journal_id) DO UPDATE SET version_id = excluded.version_id, parts_hash = excluded.parts_hash
"""
REGROUP = """
    WITH entry AS (
        SELECT * FROM unnest(%s::text[], %s::int[], %s::numeric[], %s::bigint[], %s::text[])
            entry (key, default_leg_lines, default_leg_amount, version_id, parts_hash)
    ), regrouped AS (
        UPDATE ledger_journal journal
        SET default_leg_lines = entry.default_leg_lines, default_leg_amount = entry.default_leg_amount
        FROM entry WHERE journal.key = entry.key
        RETURNING id, entry.version_id, entry.parts_hash
    )
    UPDATE settlements_settlementjournal booked SET version_id = regrouped.version_id, parts_hash = regrouped.parts_hash
    FROM regrouped WHERE booked.journal_id = regrouped.id
"""
WRITE_LINES = """
    INSERT INTO ledger_journalline (journal_id, number, account_id, label, tax_code_id, debit, credit)
    SELECT journal.id, line.number, line.account_id, line.label, line.tax_code_id, line.debit, line.credit
    FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::text[], %s::bigint[], %s::numeric[], %s::numeric[])
        line (key, number, account_id, label, tax_code_id, debit, credit)
    JOIN ledger_journal journal USING (key)
"""
WRITE_PARTS = """
    INSERT INTO settlements_journalpart (journal_line_id, signature_id, leg, default_leg, lines, amount)
    SELECT line.id, part.signature_id, part.leg, part.default_leg, part.lines, part.amount
    FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::text[], %s::boolean[], %s::bigint[], %s::numeric[])
        part (key, number, signature_id, leg, default_leg, lines, amount)
    JOIN ledger_journal journal USING (key)
    JOIN ledger_journalline line ON line.journal_id = journal.id AND line.number = part.number
"""
