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
    device_id, device_kind, device_name, camera_id, direction, latitude, longitude, images, details
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20::jsonb, $21::jsonb)
ON CONFLICT (read_id, due_day) DO UPDATE SET
    revision = excluded.revision, retracted = excluded.retracted, plate = excluded.plate, skeleton = excluded.skeleton,
    state = excluded.state, confidence = excluded.confidence, captured_at = excluded.captured_at,
    received_at = excluded.received_at, read_at = excluded.read_at, device_name = excluded.device_name,
    camera_id = excluded.camera_id, direction = excluded.direction, latitude = excluded.latitude,
    longitude = excluded.longitude, images = excluded.images, details = excluded.details
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

-- due_days --
SELECT retention.due_days($1);

-- day_agencies --
SELECT DISTINCT agency FROM retention.captured_days WHERE due_day = $1 ORDER BY agency;

-- newest_received --
SELECT greatest(
    (SELECT max(received_at) FROM retention.reads WHERE agency = ANY ($2) AND due_day = $1),
    (SELECT max(received_at) FROM retention.hits WHERE agency = ANY ($2) AND due_day = $1));

-- held_reads --
SELECT read_id, agency, captured_at, images FROM retention.reads
WHERE agency = ANY ($2) AND due_day = $1 AND retention.held(agency, read_id, plate, device_id, captured_at)
ORDER BY read_id LIMIT 500;

-- hold_read --
UPDATE retention.reads SET due_day = 'infinity', was_due = due_day, images = $4::jsonb
WHERE agency = $3 AND read_id = $1 AND due_day = $2;

-- hold_hits --
UPDATE retention.hits SET due_day = 'infinity', was_due = due_day WHERE agency = $3 AND read_id = $1 AND due_day = $2;

-- stray_images --
-- images of a day's reads that do not lie in the day's folders
SELECT DISTINCT i ->> 'key' FROM retention.reads AS r, jsonb_array_elements(r.images) AS i
WHERE r.agency = ANY ($2) AND r.due_day = $1
  AND i ->> 'key' NOT LIKE '%/' || r.agency || '/' || $3 || '/%' AND i ->> 'key' <> '';

-- unnoted_days --
SELECT retention.unnoted_days($1, $2, $3);

-- note_day --
SELECT retention.note_day($1, $2);

-- drop_day --
SELECT retention.drop_day($1);

-- purge_lock --
-- one purge at a time; holds do not ask for this lock
SELECT pg_try_advisory_lock(x'616c7072'::int, 4);

-- hold_lock --
-- taken by a hold and by each day of a purge: a hold waits for the day that is being purged, the next day sees it
SELECT pg_advisory_xact_lock(x'616c7072'::int, 3);

-- place_hold --
INSERT INTO retention.holds (
    hold_id, agency, ground, case_reference, placed_by, placed_at, read_ids, by_query, plate, device_id, captured_from,
    captured_to
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (hold_id) DO NOTHING;

-- start_run --
INSERT INTO retention.purge_runs (run_id, as_of, started_at, outcome, certificate) VALUES ($1, $2, $3, 'running', $4::jsonb);

-- finish_run --
UPDATE retention.purge_runs SET finished_at = $2, outcome = $3, certificate = $4::jsonb WHERE run_id = $1;

-- runs --
SELECT run_id, as_of, started_at, finished_at, outcome, certificate FROM retention.purge_runs
ORDER BY started_at DESC LIMIT 100;

-- run --
SELECT run_id, as_of, started_at, finished_at, outcome, certificate FROM retention.purge_runs WHERE run_id = $1;
