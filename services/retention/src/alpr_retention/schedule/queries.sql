-- declare_statute --
SELECT retention.declare_statute($1);

-- known --
SELECT rules FROM retention.rules_known WHERE agency = $1 FOR UPDATE;

-- put_known --
INSERT INTO retention.rules_known (agency, rules, profile_version, since) VALUES ($1, $2::jsonb, $3, $4)
ON CONFLICT (agency) DO UPDATE SET
    rules = excluded.rules, profile_version = excluded.profile_version, since = excluded.since;

-- open_change --
SELECT * FROM retention.changes
WHERE agency = $1 AND kind = 'change' AND state IN ('counting', 'awaiting', 'approved') FOR UPDATE;

-- counting --
SELECT * FROM retention.changes WHERE agency = $1 AND state = 'counting' ORDER BY noticed_at;

-- count_changes --
SELECT count(*) FROM retention.changes WHERE agency = $1;

-- put_change --
INSERT INTO retention.changes (
    change_id, agency, kind, state, before, after, profile_version, noticed_at, asked_by, asked_name
) VALUES ($1, $2, $3, 'counting', $4::jsonb, $5::jsonb, $6, $7, $8, $9) ON CONFLICT (change_id) DO NOTHING;

-- end_change --
UPDATE retention.changes SET state = $3, ended_at = $4 WHERE agency = $1 AND change_id = $2;

-- counted_day --
INSERT INTO retention.change_days (change_id, agency, from_day, to_day, reads)
SELECT $1, $2, $3, m.to_day, m.reads FROM unnest($4::date[], $5::bigint[]) AS m (to_day, reads)
ON CONFLICT (change_id, from_day, to_day) DO UPDATE SET reads = excluded.reads;

-- counted_to --
UPDATE retention.changes SET counted_to = $3 WHERE agency = $1 AND change_id = $2;

-- counted --
UPDATE retention.changes SET state = $3, counted_at = $4 WHERE agency = $1 AND change_id = $2 AND state = 'counting';

-- approve --
UPDATE retention.changes SET
    state = 'approved', approved_by = $3, approved_name = $4, approved_role = $5, approved_at = $6, note = $7
WHERE agency = $1 AND change_id = $2 AND state = 'awaiting' RETURNING change_id;

-- changes --
SELECT c.*, (SELECT coalesce(sum(d.reads), 0) FROM retention.change_days AS d
             WHERE d.agency = c.agency AND d.change_id = c.change_id)::bigint AS reads,
    (SELECT coalesce(sum(d.moved), 0) FROM retention.change_days AS d
     WHERE d.agency = c.agency AND d.change_id = c.change_id)::bigint AS moved
FROM retention.changes AS c WHERE c.agency = $1 AND ($2::uuid IS NULL OR c.change_id = $2)
ORDER BY c.noticed_at DESC, c.ended_at DESC NULLS FIRST LIMIT 50;

-- change_days --
SELECT from_day, to_day, reads, moved FROM retention.change_days WHERE agency = $1 AND change_id = $2
ORDER BY from_day, to_day;

-- due_days --
SELECT DISTINCT due_day FROM retention.captured_days WHERE agency = $1 AND isfinite(due_day) ORDER BY due_day;

-- groups --
SELECT device_kind, (captured_at AT TIME ZONE $3)::date AS captured_on, (received_at AT TIME ZONE $3)::date AS received_on,
    $4 AND EXISTS (SELECT FROM retention.hits AS h
                   WHERE h.agency = r.agency AND h.due_day = r.due_day AND h.read_id = r.read_id) AS hit,
    count(*) AS reads
FROM retention.reads AS r WHERE agency = $1 AND due_day = $2
GROUP BY 1, 2, 3, 4;

-- batch --
SELECT read_id, device_kind, captured_at, received_at, images,
    $4 AND EXISTS (SELECT FROM retention.hits AS h
                   WHERE h.agency = r.agency AND h.due_day = r.due_day AND h.read_id = r.read_id) AS hit
FROM retention.reads AS r WHERE agency = $1 AND due_day = $2 AND read_id > $3
ORDER BY read_id LIMIT $5;

-- held_batch --
-- moved reads keep in was_due the day on which they fall due when their hold ends
SELECT read_id, device_kind, captured_at, received_at, was_due,
    $3 AND EXISTS (SELECT FROM retention.hits AS h
                   WHERE h.agency = r.agency AND h.due_day = 'infinity' AND h.read_id = r.read_id) AS hit
FROM retention.reads AS r WHERE agency = $1 AND due_day = 'infinity' AND read_id > $2 AND was_due IS NOT NULL
ORDER BY read_id LIMIT $4;

-- move_held --
WITH m AS (SELECT * FROM unnest($2::uuid[], $3::date[]) AS m (id, day)), moved AS (
    UPDATE retention.reads AS r SET was_due = m.day FROM m
    WHERE r.agency = $1 AND r.due_day = 'infinity' AND r.read_id = m.id RETURNING r.read_id, m.day)
UPDATE retention.hits AS h SET was_due = moved.day FROM moved
WHERE h.agency = $1 AND h.due_day = 'infinity' AND h.read_id = moved.read_id;

-- move_lock --
-- keepers look up where a read lies under the same lock, shared: a late revision never makes a second row
SELECT retention.move_lock();

-- day_lock --
-- who counts or notes the day waits until the move is committed
SELECT pg_advisory_xact_lock_shared(x'616c7073'::int, $1::date - date '2000-01-01');

-- move_reads --
UPDATE retention.reads AS r SET due_day = m.day, images = m.images::jsonb
FROM unnest($3::uuid[], $4::date[], $5::text[], $6::text[]) AS m (id, day, images, was)
WHERE r.agency = $1 AND r.due_day = $2 AND r.read_id = m.id AND r.images = m.was::jsonb
RETURNING r.read_id, m.day;

-- move_hits --
UPDATE retention.hits AS h SET due_day = m.day FROM unnest($3::uuid[], $4::date[]) AS m (id, day)
WHERE h.agency = $1 AND h.due_day = $2 AND h.read_id = m.id AND m.day <> $2;

-- move_live_hits --
UPDATE retention.live_hits AS l SET images = m.images::jsonb
FROM unnest($2::uuid[], $3::text[]) AS m (id, images), retention.hits AS h
WHERE h.agency = $1 AND h.read_id = m.id AND h.due_day = ANY ($4::date[]) AND l.agency = $1 AND l.hit_id = h.hit_id;

-- keep_captured_day --
INSERT INTO retention.captured_days (agency, captured_on, due_day) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- uncount --
SELECT retention.uncount($1, $2);

-- moved_days --
UPDATE retention.change_days AS d SET moved = d.moved + m.moved
FROM unnest($4::date[], $5::bigint[]) AS m (to_day, moved)
WHERE d.agency = $1 AND d.change_id = $2 AND d.from_day = $3 AND d.to_day = m.to_day;

-- put_moved_objects --
INSERT INTO retention.moved_objects (object_key, agency) SELECT unnest($2::text[]), $1 ON CONFLICT DO NOTHING;

-- moved_objects --
SELECT object_key FROM retention.moved_objects WHERE agency = $1 ORDER BY moved_at LIMIT $2;

-- forget_moved_objects --
DELETE FROM retention.moved_objects WHERE agency = $1 AND object_key = ANY ($2);

-- resettle --
SELECT read_id, to_day, reason, captured_at FROM retention.resettle
WHERE agency = $1 AND look_at <= $2 ORDER BY look_at, read_id LIMIT $3;

-- read_lies_on --
SELECT retention.stored_day('reads', $2, $1, $3);

-- hits_lie_on --
SELECT DISTINCT h.due_day FROM retention.hits AS h
WHERE h.agency = $1 AND h.read_id = $2 AND h.due_day = ANY (ARRAY(
    SELECT d.due_day FROM retention.captured_days AS d WHERE d.agency = $1
      AND d.captured_on BETWEEN ($3::timestamptz AT TIME ZONE 'UTC')::date - 1 AND ($3::timestamptz AT TIME ZONE 'UTC')::date + 1));

-- read_images --
SELECT images FROM retention.reads WHERE agency = $1 AND due_day = $2 AND read_id = $3;

-- forget_resettle --
DELETE FROM retention.resettle WHERE agency = $1 AND read_id = $2 AND to_day = $3;

-- put_off_resettle --
UPDATE retention.resettle SET look_at = $3 WHERE agency = $1 AND read_id = $2;

-- agencies --
SELECT DISTINCT agency FROM retention.captured_days ORDER BY agency;

-- stock --
SELECT due_day, counts, noted, stands FROM retention.stock($1);

-- count_day --
SELECT retention.count_day($1, $2);

-- count_open_day --
SELECT (SELECT count(*) FROM retention.reads WHERE agency = $1 AND due_day = $2) AS reads,
    (SELECT count(*) FROM retention.hits WHERE agency = $1 AND due_day = $2) AS hits,
    (SELECT coalesce(jsonb_object_agg(month, n), '{}') FROM (
        SELECT to_char(captured_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, count(*) AS n
        FROM retention.reads WHERE agency = $1 AND due_day = $2 GROUP BY 1) AS m) AS months,
    (SELECT coalesce(sum(jsonb_array_length(images)), 0) FROM retention.reads
     WHERE agency = $1 AND due_day = $2) AS images;

-- overdue --
-- what lies past its day and under no hold; held reads of the day leave it with the next purge
SELECT count(*) FROM retention.reads AS r
WHERE agency = $1 AND due_day = $2
  AND NOT EXISTS (SELECT FROM retention.held_reads($1, $2) AS h WHERE h.read_id = r.read_id);

-- overdue_released --
SELECT count(*) AS reads, min(was_due) AS oldest FROM retention.reads AS r
WHERE agency = $1 AND due_day = 'infinity' AND was_due < $2
  AND NOT EXISTS (SELECT FROM retention.held_reads($1, 'infinity') AS h WHERE h.read_id = r.read_id);

-- held --
SELECT (SELECT count(*) FROM retention.reads WHERE agency = $1 AND due_day = 'infinity') AS reads,
    (SELECT count(*) FROM retention.hits WHERE agency = $1 AND due_day = 'infinity') AS hits,
    (SELECT coalesce(sum(jsonb_array_length(images)), 0) FROM retention.reads
     WHERE agency = $1 AND due_day = 'infinity') AS images;

-- binding --
-- holds in force, whatever their state, by ground; a read under two of them counts with each
SELECT ground, count(*) AS holds, coalesce(sum(reads_now), 0)::bigint AS reads, coalesce(sum(hits_now), 0)::bigint AS hits,
    count(*) FILTER (WHERE reads_now IS NULL) AS uncounted
FROM retention.holds WHERE agency = $1 AND released_at IS NULL GROUP BY ground ORDER BY reads DESC, ground;

-- sealed_day --
SELECT EXISTS (SELECT FROM retention.reads AS r, jsonb_array_elements(r.images) AS i
    WHERE r.agency = $1 AND r.due_day = $2 AND i ->> 'sealed_to' = $3);

-- note_premature --
SELECT retention.note_premature($1, $2, $3, $4);

-- premature --
SELECT due_day, what, number, found_at, settled_at, settled_by, settled_name, note FROM retention.premature
WHERE agency = $1 ORDER BY due_day, what;

-- settle_finding --
UPDATE retention.premature SET settled_at = $4, settled_by = $5, settled_name = $6, note = $7
WHERE agency = $1 AND due_day = $2 AND what = $3 AND settled_at IS NULL RETURNING number;

-- put_report --
INSERT INTO retention.destruction_reports (report_id, agency, run_id, made_at, roles, report)
VALUES ($1, $2, $3, $4, $5, $6::jsonb) ON CONFLICT DO NOTHING RETURNING report_id;

-- reported --
SELECT report_id FROM retention.destruction_reports WHERE run_id = ANY ($1);

-- reports --
SELECT r.report_id, r.roles, r.report,
    EXISTS (SELECT FROM retention.destruction_reports AS n WHERE n.agency = r.agency AND n.run_id = r.run_id
            AND (n.made_at, n.report_id) > (r.made_at, r.report_id)) AS superseded,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('seen_by', s.person_id, 'seen_name', s.full_name, 'role', s.role,
        'at', s.seen_at) ORDER BY s.seen_at), '[]')
     FROM retention.report_receipts AS s WHERE s.agency = r.agency AND s.report_id = r.report_id) AS seen
FROM retention.destruction_reports AS r
WHERE r.agency = $1 AND ($2::uuid IS NULL OR r.report_id = $2) ORDER BY r.made_at DESC LIMIT 100;

-- put_receipt --
INSERT INTO retention.report_receipts (report_id, agency, person_id, full_name, role, seen_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING report_id;

-- hold_lock --
-- no hold is placed while reads go: one that comes waits, and finds what is left
SELECT pg_advisory_xact_lock(x'616c7072'::int, 3);

-- ended --
-- reads whose period of minutes has ended and that hit nothing; started is the moment from which their period counts
SELECT r.read_id, r.images FROM retention.reads AS r
WHERE r.agency = $1 AND r.due_day = $2 AND r.device_kind = $3
  AND CASE WHEN $4 THEN greatest(r.captured_at, r.received_at - $6::interval) ELSE r.received_at END <= $5
  AND NOT EXISTS (SELECT FROM retention.hits AS h WHERE h.agency = r.agency AND h.read_id = r.read_id)
  AND NOT EXISTS (SELECT FROM retention.held_reads($1, $2) AS k WHERE k.read_id = r.read_id)
LIMIT $7;

-- sweep --
SELECT retention.sweep($1, $2, $3);

-- count_swept --
INSERT INTO retention.swept AS s (agency, hour, reads, images) VALUES ($1, date_trunc('hour', $2::timestamptz), $3, $4)
ON CONFLICT (agency, hour) DO UPDATE SET
    reads = s.reads + excluded.reads, images = s.images + excluded.images, told = false;

-- untold_sweeps --
UPDATE retention.swept SET told = true WHERE agency = $1 AND NOT told AND hour < date_trunc('hour', $2::timestamptz)
RETURNING hour, reads, images;
