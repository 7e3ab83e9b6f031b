-- scope --
SELECT set_config('alpr.agencies', $1, true);

-- put_outbox --
INSERT INTO retention.outbox (topic, key, value, headers, created_at) VALUES ($1, $2, $3, $4::jsonb, $5);

-- lock_relay --
SELECT pg_try_advisory_xact_lock(hashtext('retention.outbox'));

-- next_outbox --
SELECT outbox_id, topic, key, value, headers FROM retention.outbox ORDER BY outbox_id LIMIT $1;

-- delete_outbox --
DELETE FROM retention.outbox WHERE outbox_id = ANY ($1);

-- count_outbox --
SELECT count(*) AS waiting, coalesce(greatest(extract(epoch FROM now() - min(created_at)), 0), 0)::float8 AS oldest_s
FROM retention.outbox;
