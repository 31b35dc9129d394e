"""The SQL over failed records."""

# One row for each cause and currency. The calls to Amazon that failed in the newest failure's minute are counted beside it.
# Silent is what left long ago; what still waits to leave, since the platform was busy, is not.
OPEN_BY_CAUSE = """
    SELECT r.cause, c.id, c.name, r.flow, r.currency, count(*), sum(r.amount), count(*) FILTER (WHERE r.amount IS NULL),
        sum(r.failures), count(*) FILTER (WHERE r.state = 'asked'),
        count(*) FILTER (WHERE r.state = 'asked' AND r.asked_at < statement_timestamp() - %(silent)s AND NOT EXISTS (
            SELECT FROM platforms_retry t JOIN integrations_job j ON j.id = t.job_id
            WHERE t.record_id = r.id AND t.state = 'waiting' AND j.state IN ('waiting', 'running'))),
        min(r.asked_at) FILTER (WHERE r.state = 'asked'), min(r.first_failed_at), min(r.failed_at), max(r.failed_at),
        (array_agg(r.about ORDER BY r.failed_at, r.id))[1:%(named)s],
        (array_agg(r.code ORDER BY r.failed_at DESC, r.id DESC))[1],
        (array_agg(r.words ORDER BY r.failed_at DESC, r.id DESC))[1],
        CASE WHEN p.refused_at IS NOT NULL THEN p.refused_words ELSE '' END,
        (SELECT count(*) FROM integrations_callfault f JOIN integrations_connection a ON a.id = f.connection_id
         WHERE a.entity_id = %(entity)s AND a.kind = 'amazon-seller' AND f.verdict = 'transient'
             AND f.at BETWEEN max(r.failed_at) - interval '1 minute' AND max(r.failed_at) + interval '1 minute')
    FROM platforms_failedrecord r
    JOIN integrations_connection c ON c.id = r.connection_id
    JOIN platforms_platform p ON p.connection_id = c.id
    WHERE c.entity_id = %(entity)s AND r.state IN ('failed', 'asked')
        AND (%(causes)s::text[] IS NULL OR r.cause = ANY(%(causes)s))
    GROUP BY r.cause, c.id, c.name, r.flow, r.currency, p.refused_at, p.refused_words
    ORDER BY r.cause, r.currency
"""
