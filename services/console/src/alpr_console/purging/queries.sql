-- position --
SELECT partition, next_offset FROM console.purge_positions

-- lock_orders --
-- two replicas read the same orders: one applies, the other waits and finds it done
SELECT pg_advisory_xact_lock(hashtext('console.purges'))

-- applied --
SELECT gone FROM console.purge_orders WHERE order_id = $1 AND part = $2

-- put_applied --
INSERT INTO console.purge_orders (order_id, part, gone, applied_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (order_id, part) DO UPDATE SET gone = $3, applied_at = $4

-- forget_applied --
DELETE FROM console.purge_orders WHERE applied_at < $1

-- put_position --
INSERT INTO console.purge_positions (partition, next_offset) VALUES ($1, $2)
ON CONFLICT (partition) DO UPDATE SET next_offset = $2

-- policies --
SELECT document FROM console.profile_versions WHERE agency = $1

-- unnamed --
-- hits of which retention has no record, as it could not read them: nobody will name them
SELECT hit_id FROM console.hits
WHERE agency = $1 AND matched_at < $2 AND card ->> 'read_id' <> ALL ($3::text[]) ORDER BY matched_at LIMIT $4
