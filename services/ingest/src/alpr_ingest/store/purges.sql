-- purge_positions --
SELECT partition, next_offset FROM ingest.purge_positions;

-- lock_purges --
SELECT pg_advisory_xact_lock(hashtext('ingest.purges'));

-- applied --
SELECT gone FROM ingest.purge_orders WHERE order_id = $1 AND part = $2;

-- put_applied --
INSERT INTO ingest.purge_orders (order_id, part, gone, applied_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (order_id, part) DO UPDATE SET gone = $3, applied_at = $4;

-- forget_applied --
DELETE FROM ingest.purge_orders WHERE applied_at < $1;

-- put_position --
INSERT INTO ingest.purge_positions (partition, next_offset) VALUES ($1, $2)
ON CONFLICT (partition) DO UPDATE SET next_offset = $2;

-- ended_entries --
SELECT entry_id, extends, CASE WHEN gone THEN least(coalesce(withdrawn_at, 'infinity'), expires_at) END AS ended_at
FROM ingest.entered WHERE agency = $1;

-- forget_entered --
DELETE FROM ingest.entered WHERE agency = $1 AND entry_id = ANY ($2::uuid[]);
