-- put_letter --
INSERT INTO retention.frame_quarantine (
    letter_id, due_day, agency, topic, reason_code, service, device_id, camera_id, device_kind, captured_at, received_at,
    kept_at, latitude, longitude, object_key, sealed_to, sha256, bytes, image_missing
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (letter_id) DO NOTHING;

-- has_letter --
SELECT EXISTS (SELECT FROM retention.frame_quarantine WHERE agency = $1 AND letter_id = $2);

-- one_letter --
SELECT letter_id, object_key, sealed_to, sha256 FROM retention.frame_quarantine WHERE agency = $1 AND letter_id = $2;

-- ensure_day --
SELECT retention.ensure_day($1);

-- put_day --
INSERT INTO retention.captured_days (agency, captured_on, due_day) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- has_day --
SELECT EXISTS (SELECT FROM retention.frame_quarantine WHERE agency = $1 AND due_day = $2);

-- due_days --
SELECT DISTINCT due_day FROM retention.frame_quarantine WHERE agency = $1 AND due_day <= $2 ORDER BY due_day;

-- hold_lock --
-- the lock that a hold takes: one that comes while a day is judged waits, and binds the next
SELECT pg_advisory_xact_lock(x'616c7072'::int, 3);

-- held_letters --
SELECT letter_id, object_key, sealed_to, sha256 FROM retention.frame_quarantine
WHERE agency = $1 AND due_day = $2
  AND retention.frame_held(agency, device_id, coalesce(captured_at, received_at), latitude, longitude)
ORDER BY letter_id LIMIT $3;

-- day_letters --
SELECT letter_id, agency, device_kind, captured_at, received_at, object_key, sealed_to, sha256
FROM retention.frame_quarantine WHERE agency = $1 AND due_day = $2;

-- later_letters --
-- due later by the policy of then; none that the floor keeps, and none under a hold
SELECT letter_id, agency, device_kind, captured_at, received_at, object_key, sealed_to
FROM retention.frame_quarantine
WHERE agency = $1 AND due_day > $2 AND due_day < 'infinity' AND received_at + retention.floor() <= clock_timestamp()
  AND NOT retention.frame_held(agency, device_id, coalesce(captured_at, received_at), latitude, longitude);

-- set_day --
UPDATE retention.frame_quarantine SET due_day = $3, object_key = $4, sealed_to = $5
WHERE agency = $1 AND letter_id = $2;

-- move_letter --
UPDATE retention.frame_quarantine SET due_day = 'infinity', was_due = due_day, object_key = $3, sealed_to = $4
WHERE agency = $1 AND letter_id = $2;

-- drop_day --
-- the floor is judged here once more, as for reads
DELETE FROM retention.frame_quarantine
WHERE agency = $1 AND due_day = $2 AND received_at + retention.floor() <= clock_timestamp();

-- freed_letters --
-- kept by a hold that is over, and due since
SELECT letter_id, object_key, sealed_to FROM retention.frame_quarantine
WHERE agency = $1 AND due_day = 'infinity' AND was_due <= $2
  AND NOT retention.frame_held(agency, device_id, coalesce(captured_at, received_at), latitude, longitude)
ORDER BY letter_id;

-- drop_letters --
DELETE FROM retention.frame_quarantine WHERE agency = $1 AND letter_id = ANY ($2::uuid[]);

-- strangers --
SELECT count(*) FROM retention.frame_quarantine WHERE agency = $1 AND reason_code = ANY ($3)
  AND received_at >= $2::date AT TIME ZONE 'UTC' AND received_at < ($2::date + 1) AT TIME ZONE 'UTC';

-- count_flood --
INSERT INTO retention.quarantine_floods AS f (agency, received_on, topic, reason_code, letters, bytes, first_at, last_at)
VALUES ($1, $2, $3, $4, 1, $5, $6, $6)
ON CONFLICT (agency, received_on, topic, reason_code) DO UPDATE SET letters = f.letters + 1,
    bytes = f.bytes + excluded.bytes, last_at = excluded.last_at
RETURNING letters = 1;

-- floods --
SELECT received_on, topic, reason_code, letters, bytes, first_at, last_at FROM retention.quarantine_floods
WHERE agency = $1 ORDER BY received_on DESC, letters DESC LIMIT 100;

-- reasons --
SELECT topic, reason_code, count(*) AS letters, sum(bytes)::bigint AS bytes, min(received_at) AS oldest,
       max(received_at) AS newest
FROM retention.frame_quarantine WHERE agency = $1 GROUP BY topic, reason_code ORDER BY letters DESC, topic, reason_code;

-- letters --
SELECT letter_id, topic, reason_code, device_id, camera_id, captured_at, received_at, due_day, was_due, bytes,
       image_missing
FROM retention.frame_quarantine
WHERE agency = $1
  AND ($2::uuid IS NULL OR (received_at, letter_id)
       < (SELECT q.received_at, q.letter_id FROM retention.frame_quarantine AS q WHERE q.agency = $1 AND q.letter_id = $2))
ORDER BY received_at DESC, letter_id DESC LIMIT $3;
