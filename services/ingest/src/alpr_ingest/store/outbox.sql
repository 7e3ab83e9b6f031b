-- put_outbox --
INSERT INTO ingest.outbox (topic, key, value, ce_id, created_at) VALUES ($1, $2, $3, $4, $5);

-- lock_relay --
SELECT pg_try_advisory_xact_lock(hashtext('ingest.outbox'));

-- outbox --
SELECT id, topic, key, value, ce_id, created_at FROM ingest.outbox ORDER BY id LIMIT $1;

-- forget_outbox --
DELETE FROM ingest.outbox WHERE id = ANY($1);

-- count_outbox --
SELECT count(*) AS waiting, coalesce(greatest(extract(epoch FROM now() - min(created_at)), 0), 0)::float8 AS oldest_s
FROM ingest.outbox;
