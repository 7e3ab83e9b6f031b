-- scope --
SELECT set_config('alpr.agencies', $1, true);

-- stored_days --
SELECT o.id, retention.stored_day($1, o.id, o.agency, o.captured_at) AS due_day
FROM unnest($2::uuid[], $3::text[], $4::timestamptz[]) AS o (id, agency, captured_at);

-- ensure_day --
SELECT retention.ensure_day($1);

-- move_generation --
SELECT generation FROM retention.move_generation;

-- keep_lock --
-- whoever moves reads between days waits; the number says whether somebody did since it was looked up where they lie
SELECT retention.keep_lock();

-- ask_settling --
INSERT INTO retention.resettle AS r (agency, read_id, to_day, reason, captured_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (agency, read_id) DO UPDATE SET
    to_day = CASE WHEN r.reason = 'hit' THEN greatest(r.to_day, excluded.to_day) ELSE excluded.to_day END,
    reason = CASE WHEN r.reason = 'hit' THEN 'hit' ELSE excluded.reason END, look_at = '-infinity';

-- keep_captured_day --
INSERT INTO retention.captured_days (agency, captured_on, due_day) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- keep_read --
-- the highest revision wins; of equal ones the one that is not retracted
INSERT INTO retention.reads (
    read_id, due_day, agency, revision, retracted, plate, skeleton, state, confidence, captured_at, received_at, read_at,
    device_id, device_kind, device_name, camera_id, direction, latitude, longitude, images, details, frame
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20::jsonb, $21::jsonb, $22::jsonb)
ON CONFLICT (read_id, due_day) DO UPDATE SET
    revision = excluded.revision, retracted = excluded.retracted, plate = excluded.plate, skeleton = excluded.skeleton,
    state = excluded.state, confidence = excluded.confidence, captured_at = excluded.captured_at,
    received_at = excluded.received_at, read_at = excluded.read_at, device_name = excluded.device_name,
    camera_id = excluded.camera_id, direction = excluded.direction, latitude = excluded.latitude,
    longitude = excluded.longitude, images = excluded.images, details = excluded.details, frame = excluded.frame
WHERE reads.agency = excluded.agency
  AND (excluded.revision, NOT excluded.retracted) > (reads.revision, NOT reads.retracted);

-- keep_hit --
INSERT INTO retention.hits (
    hit_id, due_day, read_id, agency, revision, list_code, list_version, entry_id, grade, state_match, reason,
    advisory_class, captured_at, received_at, matched_at, details
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16::jsonb)
ON CONFLICT (hit_id, due_day) DO UPDATE SET
    revision = excluded.revision, list_version = excluded.list_version, grade = excluded.grade,
    state_match = excluded.state_match, details = excluded.details
WHERE hits.agency = excluded.agency
  AND (excluded.revision > hits.revision
       OR (excluded.revision = hits.revision
           AND coalesce((excluded.details ->> 'revision')::int, 0) > coalesce((hits.details ->> 'revision')::int, 0)));

-- keep_live_hit --
INSERT INTO retention.live_hits (hit_id, agency, matched_at, images) VALUES ($1, $2, $3, $4::jsonb)
ON CONFLICT (hit_id) DO NOTHING;

-- live_hit --
SELECT images FROM retention.live_hits WHERE agency = $1 AND hit_id = $2 AND matched_at > $3;

-- camera_counts --
SELECT camera_id, sum(n)::bigint AS reads, coalesce(sum(n) FILTER (WHERE unreadable), 0)::bigint AS unreadable,
       coalesce(jsonb_object_agg(reason, n) FILTER (WHERE unreadable), '{}') AS reasons
FROM (
    SELECT camera_id, plate = '' AS unreadable,
           CASE WHEN plate = '' THEN coalesce(details ->> 'unreadable_reason', '') ELSE '' END AS reason, count(*) AS n
    FROM retention.reads
    WHERE agency = $1 AND device_id = $2 AND captured_at >= $3 AND NOT retracted AND due_day = ANY (ARRAY(
        SELECT d.due_day FROM retention.captured_days AS d WHERE d.agency = $1 AND d.captured_on >= $4))
    GROUP BY 1, 2, 3
) AS counted
GROUP BY camera_id ORDER BY camera_id;

-- forget_live_hits --
DELETE FROM retention.live_hits WHERE agency = $1 AND matched_at < $2;

-- forget_used_entries --
DELETE FROM retention.used_entries WHERE used_at < $1;

-- open_view --
SELECT retention.open_view($1, $2);

-- unnoted_days --
SELECT retention.unnoted_days($1, $2, $3);

-- note_day --
SELECT retention.note_day($1, $2);
