-- scope --
SELECT set_config('alpr.agencies', $1, true);

-- alone --
-- one purge at a time; holds do not ask for this lock
SELECT pg_try_advisory_lock(x'616c7072'::int, 4);

-- hold_lock --
-- taken by a hold and by the judgement of a purge: whoever is second sees what the first did
SELECT pg_advisory_xact_lock(x'616c7072'::int, 3);

-- move_lock --
-- whoever takes records from one due day to another; whoever stores then looks up days again
SELECT retention.move_lock();

-- due_days --
SELECT retention.due_days($1);

-- day_agencies --
SELECT DISTINCT agency FROM retention.captured_days WHERE due_day = $1 ORDER BY agency;

-- start_run --
INSERT INTO retention.purge_runs (
    run_id, as_of, started_at, outcome, certificate, asked_by, asked_name, asked_agency, settle_by
) VALUES ($1, $2, $3, 'running', '{}', $4, $5, $6, $7);

-- end_run --
UPDATE retention.purge_runs SET finished_at = coalesce(finished_at, $2), outcome = $3 WHERE run_id = $1;

-- broken_runs --
UPDATE retention.purge_runs SET finished_at = $1, outcome = 'incomplete' WHERE outcome = 'running' AND finished_at IS NULL;

-- runs --
SELECT run_id, as_of, started_at, finished_at, outcome, asked_by, asked_name, asked_agency, settle_by
FROM retention.purge_runs
WHERE ($1::uuid IS NULL OR run_id = $1) ORDER BY started_at DESC LIMIT 100;

-- unsettled_runs --
SELECT run_id, as_of, started_at, finished_at, outcome, asked_by, asked_name, asked_agency, settle_by
FROM retention.purge_runs AS r
WHERE r.finished_at IS NOT NULL AND (r.outcome = 'running' OR r.run_id = ANY (ARRAY(
    SELECT i.run_id FROM retention.purge_items AS i WHERE i.state = 'cleared')))
ORDER BY started_at;

-- plan --
INSERT INTO retention.purge_items (run_id, agency, due_day, kind, state, reason_code, profile_version, planned_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING;

-- items --
SELECT * FROM retention.purge_items WHERE run_id = ANY ($1) ORDER BY due_day, kind, agency;

-- open_items --
SELECT * FROM retention.purge_items WHERE state IN ('cut', 'keyless') ORDER BY planned_at, due_day, agency;

-- broken_items --
UPDATE retention.purge_items SET state = 'broken', finished_at = $1 WHERE state = 'planned';

-- refuse_item --
UPDATE retention.purge_items SET state = 'refused', reason_code = $5, finished_at = $6
WHERE run_id = $1 AND agency = $2 AND due_day = $3 AND kind = $4;

-- add_held --
UPDATE retention.purge_items SET held = held + $4, holds = $5::jsonb
WHERE run_id = $1 AND agency = $2 AND due_day = $3 AND kind = 'day';

-- item_holds --
SELECT holds FROM retention.purge_items WHERE run_id = $1 AND agency = $2 AND due_day = $3 AND kind = 'day' FOR UPDATE;

-- cut_item --
UPDATE retention.purge_items SET state = 'cut', reads = $5, hits = $6, parts = $7, strays = $8, holds = holds || $9::jsonb, cut_at = $10
WHERE run_id = $1 AND agency = $2 AND due_day = $3 AND kind = $4;

-- keyless_item --
UPDATE retention.purge_items SET state = 'keyless', key_destroyed = $5
WHERE run_id = $1 AND agency = $2 AND due_day = $3 AND kind = $4 AND state = 'cut';

-- count_images --
UPDATE retention.purge_items SET images = greatest(images, $5)
WHERE run_id = $1 AND agency = $2 AND due_day = $3 AND kind = $4;

-- clear_item --
UPDATE retention.purge_items SET state = 'cleared', stores = $5::jsonb
WHERE run_id = $1 AND agency = $2 AND due_day = $3 AND kind = $4 AND state = 'keyless';

-- done_item --
UPDATE retention.purge_items SET state = 'done', finished_at = $5
WHERE run_id = $1 AND agency = $2 AND due_day = $3 AND kind = $4 AND state = 'cleared';

-- put_answer --
INSERT INTO retention.purge_answers (order_id, service, run_id, agency, due_day, part, gone, remaining, answered_at)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9) ON CONFLICT DO NOTHING;

-- answers --
SELECT order_id, service, run_id, agency, due_day, part, gone, remaining, answered_at FROM retention.purge_answers
WHERE run_id = ANY ($1);

-- put_certificate --
INSERT INTO retention.purge_certificates (run_id, agency, outcome, certificate, sha256, event_id, made_at)
VALUES ($1, $2, $3, $4::jsonb, $5, $6, $7) ON CONFLICT DO NOTHING;

-- certificates --
-- the newest of each; earlier ones stay
SELECT DISTINCT ON (run_id, agency) run_id, agency, outcome, certificate, sha256, event_id, made_at
FROM retention.purge_certificates
WHERE run_id = ANY ($1) AND ($2 = '' OR agency = $2) ORDER BY run_id, agency, made_at DESC;

-- held_reads --
SELECT read_id, hold_ids FROM retention.held_reads($1, $2);

-- ended_holds --
SELECT hold_id, reads FROM retention.ended_holds($1, $2);

-- reads_to_move --
SELECT read_id, captured_at, images FROM retention.reads WHERE agency = $1 AND due_day = $2 AND read_id = ANY ($3);

-- move_captured --
INSERT INTO retention.captured_days (agency, captured_on, due_day)
SELECT DISTINCT $1, (r.captured_at AT TIME ZONE 'UTC')::date, 'infinity'::date FROM retention.reads AS r
WHERE r.agency = $1 AND r.due_day = $2 AND r.read_id = ANY ($3) ON CONFLICT DO NOTHING;

-- move_reads --
UPDATE retention.reads AS r SET due_day = 'infinity', was_due = r.due_day, images = m.images, held_under = m.holds
FROM (SELECT u.id, u.images::jsonb AS images, string_to_array(u.holds, ',')::uuid[] AS holds
    FROM unnest($3::uuid[], $4::text[], $5::text[]) AS u (id, images, holds)) AS m
WHERE r.agency = $1 AND r.due_day = $2 AND r.read_id = m.id;

-- move_hits --
UPDATE retention.hits SET due_day = 'infinity', was_due = due_day
WHERE agency = $1 AND due_day = $2 AND read_id = ANY ($3);

-- close_day --
SELECT retention.close_day($1);

-- hits_of_day --
SELECT hit_id, read_id FROM retention.hits WHERE agency = $1 AND due_day = $2 ORDER BY hit_id;

-- held_of_day --
-- of this day and of every earlier one: copies that no order names go by day, and these stay
SELECT read_id FROM retention.reads WHERE agency = $1 AND due_day = 'infinity' AND was_due <= $2 ORDER BY read_id LIMIT $3;

-- drop_day --
SELECT retention.drop_day($1);

-- empty_day --
SELECT retention.empty_day($1, $2);

-- released_days --
SELECT DISTINCT r.was_due FROM retention.reads AS r
WHERE r.agency = $1 AND r.due_day = 'infinity' AND r.was_due < $2
  AND NOT EXISTS (SELECT FROM retention.held_reads($1, 'infinity') AS k WHERE k.read_id = r.read_id)
UNION
SELECT DISTINCT h.was_due FROM retention.hits AS h
WHERE h.agency = $1 AND h.due_day = 'infinity' AND h.was_due < $2
  AND NOT EXISTS (SELECT FROM retention.held_reads($1, 'infinity') AS k WHERE k.read_id = h.read_id)
ORDER BY 1;

-- released_reads --
SELECT r.read_id, r.images, r.held_under FROM retention.reads AS r
WHERE r.agency = $1 AND r.due_day = 'infinity' AND r.was_due = $2
  AND NOT EXISTS (SELECT FROM retention.held_reads($1, 'infinity') AS k WHERE k.read_id = r.read_id);

-- released_hits --
SELECT h.hit_id, h.read_id FROM retention.hits AS h
WHERE h.agency = $1 AND h.due_day = 'infinity' AND h.was_due = $2
  AND NOT EXISTS (SELECT FROM retention.held_reads($1, 'infinity') AS k WHERE k.read_id = h.read_id)
ORDER BY h.hit_id;

-- drop_released --
SELECT retention.drop_released($1, $2);

-- moved_again --
SELECT m.was_due, array_agg(m.read_id) AS ids FROM (
    SELECT r.read_id, r.was_due FROM retention.reads AS r
    WHERE r.agency = $1 AND r.due_day = 'infinity' AND r.read_id = ANY ($2)
    UNION SELECT h.read_id, h.was_due FROM retention.hits AS h
    WHERE h.agency = $1 AND h.due_day = 'infinity' AND h.read_id = ANY ($2)) AS m
GROUP BY m.was_due ORDER BY m.was_due;

-- drop_again --
SELECT retention.drop_again($1, $2);

-- runs_known --
SELECT run_id FROM retention.purge_runs WHERE run_id = ANY ($1);

-- nothing_before --
-- whether every earlier due day of the agency is gone ($3: this one too)
SELECT NOT EXISTS (SELECT FROM retention.captured_days AS d
    WHERE d.agency = $1 AND (d.due_day < $2 OR ($3 AND d.due_day = $2)));

-- seals_in_use --
SELECT DISTINCT i ->> 'sealed_to' FROM retention.reads AS r, jsonb_array_elements(r.images) AS i
WHERE r.agency = $1 AND r.due_day = 'infinity' AND i ->> 'sealed_to' LIKE 'hold-%';

-- sealed_to --
SELECT r.read_id, r.images FROM retention.reads AS r
WHERE r.agency = $1 AND r.due_day = 'infinity'
  AND EXISTS (SELECT FROM jsonb_array_elements(r.images) AS i WHERE i ->> 'sealed_to' = $2);

-- set_images --
UPDATE retention.reads SET images = $3::jsonb,
    held_under = ARRAY(SELECT DISTINCT h FROM unnest(held_under || $4::uuid[]) AS h)
WHERE agency = $1 AND due_day = 'infinity' AND read_id = $2;

-- holds_in_force --
SELECT hold_id FROM retention.holds WHERE agency = $1 AND released_at IS NULL;

-- restore_hold --
-- for a program manager to confirm or to lift
INSERT INTO retention.holds (
    hold_id, agency, ground, case_reference, placed_by, placed_at, read_ids, by_query, state, flag, case_number
) VALUES (
    $1, $2, 'restored', 'restored from backup', 'retention', $3, $4, false, 'provisional',
    'HOLD_GROUND_NOT_IN_PROFILE', 'restored from backup'
) ON CONFLICT (hold_id) DO NOTHING;

-- day_reads --
SELECT read_id FROM retention.reads WHERE agency = $1 AND due_day = $2 AND read_id = ANY ($3);

-- count_day --
SELECT (SELECT count(*) FROM retention.reads WHERE agency = $1 AND due_day = $2) AS reads,
       (SELECT count(*) FROM retention.hits WHERE agency = $1 AND due_day = $2) AS hits,
       (SELECT count(*) FROM retention.held_reads($1, $2)) AS held;

-- count_released --
SELECT (SELECT count(*) FROM retention.reads AS r WHERE r.agency = $1 AND r.due_day = 'infinity' AND r.was_due = $2
            AND NOT EXISTS (SELECT FROM retention.held_reads($1, 'infinity') AS k WHERE k.read_id = r.read_id)) AS reads,
       (SELECT count(*) FROM retention.hits AS h WHERE h.agency = $1 AND h.due_day = 'infinity' AND h.was_due = $2
            AND NOT EXISTS (SELECT FROM retention.held_reads($1, 'infinity') AS k WHERE k.read_id = h.read_id)) AS hits;

-- vouched --
SELECT retention.vouched();

-- vouch --
SELECT retention.vouch();

-- known_agencies --
SELECT DISTINCT agency FROM retention.captured_days;
