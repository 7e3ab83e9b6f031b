-- hold_lock --
-- a hold waits for the judgement and drop of one purge day, and the next day's judgement sees the hold
SELECT pg_advisory_xact_lock(x'616c7072'::int, 3);

-- searched --
SELECT retention.searched($1, $2, $3);

-- place --
INSERT INTO retention.holds (
    hold_id, agency, ground, case_reference, placed_by, placed_at, read_ids, by_query, plate, device_id, captured_from,
    captured_to, state, flag, scope, query_entry, forward, case_number, court_reference, note, placed_name,
    profile_version, dvd, review_due
) VALUES (
    $1, $2, $3, coalesce(nullif($4, ''), $5), $6, $7, $8::uuid[], $9::jsonb IS NOT NULL, $9::jsonb ->> 'plate',
    CASE WHEN jsonb_array_length($9::jsonb -> 'device_ids') = 1 THEN $9::jsonb #>> '{device_ids,0}' END,
    ($9::jsonb ->> 'captured_from')::timestamptz, ($9::jsonb ->> 'captured_to')::timestamptz, $10, $11, $9::jsonb, $12,
    $13, $4, $5, $14, $15, $16, $17::jsonb, $18
) ON CONFLICT (hold_id) DO NOTHING;

-- add_act --
INSERT INTO retention.hold_acts (hold_id, agency, act, at, person_id, name, note) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- listed --
-- $2 a state, '' or 'overdue'; after $4, $5 the next page begins
SELECT h.*, retention.scope_of(h) AS covers, to_jsonb(f) AS case_file,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('package_id', b.package_id, 'booking_number', b.booking_number,
        'reads', b.reads, 'at', b.at) ORDER BY b.at), '[]') FROM (SELECT b.package_id, b.booking_number,
        count(*) AS reads, max(b.booked_at) AS at FROM retention.hold_booked AS b
        WHERE b.agency = $1 AND b.hold_id = h.hold_id GROUP BY 1, 2) AS b) AS exports
FROM retention.holds AS h
LEFT JOIN retention.hold_case_files AS f ON f.hold_id = h.hold_id AND f.agency = h.agency
WHERE h.agency = $1
  AND ($2 = '' OR h.state = $2 OR ($2 = 'overdue' AND h.released_at IS NULL AND h.review_due < $3))
  AND ($4::timestamptz IS NULL OR (h.placed_at, h.hold_id) < ($4, $5::uuid))
ORDER BY h.placed_at DESC, h.hold_id DESC LIMIT $6;

-- one --
SELECT h.*, retention.scope_of(h) AS covers, to_jsonb(f) AS case_file,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('package_id', b.package_id, 'booking_number', b.booking_number,
        'reads', b.reads, 'at', b.at) ORDER BY b.at), '[]') FROM (SELECT b.package_id, b.booking_number,
        count(*) AS reads, max(b.booked_at) AS at FROM retention.hold_booked AS b
        WHERE b.agency = $1 AND b.hold_id = h.hold_id GROUP BY 1, 2) AS b) AS exports
FROM retention.holds AS h
LEFT JOIN retention.hold_case_files AS f ON f.hold_id = h.hold_id AND f.agency = h.agency
WHERE h.agency = $1 AND h.hold_id = $2;

-- lock_one --
SELECT hold_id FROM retention.holds WHERE agency = $1 AND hold_id = $2 FOR UPDATE;

-- acts --
SELECT act, at, person_id, name, note FROM retention.hold_acts WHERE agency = $1 AND hold_id = $2 ORDER BY act_id;

-- set_review --
UPDATE retention.holds SET review_due = $3, overdue_told_at = NULL WHERE agency = $1 AND hold_id = $2;

-- set_active --
UPDATE retention.holds SET state = 'active', end_asked_by = '', end_asked_name = '', end_asked_at = NULL,
    end_reason = '' WHERE agency = $1 AND hold_id = $2;

-- ask_end --
UPDATE retention.holds SET state = 'release_requested', end_asked_by = $3, end_asked_name = $4, end_asked_at = $5,
    end_reason = $6 WHERE agency = $1 AND hold_id = $2;

-- end --
UPDATE retention.holds SET state = 'ended', released_at = $3, end_reason = $4, released_by = $5, released_name = $6
WHERE agency = $1 AND hold_id = $2 AND released_at IS NULL;

-- keep_case_file --
INSERT INTO retention.hold_case_files (
    hold_id, agency, adapter, status, purge_on, asked_at, answered_at, answered_by, problem, entered_by, entered_name,
    confirmed_by
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (hold_id) DO UPDATE SET
    adapter = excluded.adapter, status = excluded.status, purge_on = excluded.purge_on, asked_at = excluded.asked_at,
    answered_at = excluded.answered_at, answered_by = excluded.answered_by, problem = excluded.problem,
    entered_by = excluded.entered_by, entered_name = excluded.entered_name, confirmed_by = excluded.confirmed_by
WHERE hold_case_files.agency = excluded.agency;

-- binding --
SELECT h.hold_id, h.state, h.placed_by, h.ground, h.flag, h.case_number, h.court_reference, h.end_asked_by,
    to_jsonb(f) AS case_file
FROM retention.holds AS h
LEFT JOIN retention.hold_case_files AS f ON f.hold_id = h.hold_id AND f.agency = h.agency
WHERE h.agency = $1 AND h.released_at IS NULL AND h.case_number <> '' ORDER BY h.placed_at, h.hold_id;

-- uncounted --
SELECT hold_id FROM retention.holds
WHERE agency = $1 AND released_at IS NULL AND (counted_at IS NULL OR counted_at < $2) ORDER BY counted_at NULLS FIRST
LIMIT 20;

-- count --
WITH covered AS MATERIALIZED (SELECT read_id, due_day FROM retention.hold_reads($1, $2, $3))
UPDATE retention.holds SET counted_at = $4, reads_now = (SELECT count(*) FROM covered),
    hits_now = (SELECT coalesce(sum(n.hits), 0) FROM covered AS c CROSS JOIN LATERAL (
        SELECT count(*) AS hits FROM retention.hits AS t
        WHERE t.agency = $1 AND t.due_day = c.due_day AND t.read_id = c.read_id) AS n)
WHERE agency = $1 AND hold_id = $2;

-- count_later --
UPDATE retention.holds SET counted_at = $3 WHERE agency = $1 AND hold_id = $2;

-- overdue --
SELECT count(*) FROM retention.holds WHERE agency = $1 AND released_at IS NULL AND review_due < $2;

-- overdue_untold --
UPDATE retention.holds SET overdue_told_at = $2
WHERE agency = $1 AND released_at IS NULL AND review_due < $2 AND overdue_told_at IS NULL
RETURNING hold_id, review_due;

-- binding_count --
SELECT count(*) FROM retention.holds WHERE agency = $1 AND released_at IS NULL;

-- covered --
SELECT read_id, due_day FROM retention.hold_reads($1, $2, $3);

-- live --
SELECT h.*, retention.scope_of(h) AS covers FROM retention.holds AS h
WHERE h.agency = $1 AND h.hold_id = $2 AND h.released_at IS NULL FOR UPDATE;

-- note_booked --
INSERT INTO retention.hold_booked (hold_id, read_id, agency, package_id, booking_number, booked_at)
SELECT $1, o.read_id, $2, $4, $5, $6 FROM unnest($3::uuid[]) AS o (read_id) ON CONFLICT DO NOTHING;
