-- known --
SELECT read_id, role, state, confirmed_at FROM retention.damaged_images WHERE agency = $1 AND state <> 'mended';

-- damaged --
-- one that opened again and is damaged once more begins anew
INSERT INTO retention.damaged_images AS d (agency, read_id, role, due_day, code, state, hold_ids, found_at)
VALUES ($1, $2, $3, $4, $5, 'open', $6, $7)
ON CONFLICT (agency, read_id, role) DO UPDATE SET due_day = excluded.due_day, code = excluded.code, state = 'open',
    hold_ids = excluded.hold_ids, found_at = excluded.found_at, run_id = NULL
WHERE d.state = 'mended' RETURNING read_id;

-- missing --
INSERT INTO retention.damaged_images AS d (agency, read_id, role, due_day, code, state, hold_ids, found_at, run_id)
VALUES ($1, $2, $3, $4, $5, 'missing', $6, $7, $8)
ON CONFLICT (agency, read_id, role) DO UPDATE SET due_day = excluded.due_day, code = excluded.code,
    state = 'missing', hold_ids = excluded.hold_ids, run_id = excluded.run_id
WHERE d.state <> 'missing' OR d.run_id IS DISTINCT FROM excluded.run_id RETURNING read_id;

-- lost --
-- the run whose certificate names it
UPDATE retention.damaged_images SET run_id = $4
WHERE agency = $1 AND read_id = $2 AND role = $3 AND state = 'lost' AND run_id IS DISTINCT FROM $4 RETURNING read_id;

-- mended --
UPDATE retention.damaged_images SET state = 'mended', run_id = NULL
WHERE agency = $1 AND read_id = $2 AND role = $3 AND state IN ('open', 'declared', 'lost') AND run_id IS NULL
RETURNING read_id;

-- listed --
SELECT read_id, role, due_day, code, state, hold_ids, found_at, declared_by, declared_name, declared_at, note,
       confirmed_by, confirmed_name, confirmed_at, run_id
FROM retention.damaged_images WHERE agency = $1
ORDER BY state NOT IN ('open', 'declared'), found_at DESC, read_id, role LIMIT 500;

-- lock --
SELECT read_id, role, state, hold_ids, declared_by FROM retention.damaged_images
WHERE agency = $1 AND read_id = $2 AND role = $3 FOR UPDATE;

-- declare --
UPDATE retention.damaged_images SET state = 'declared', declared_by = $4, declared_name = $5, declared_at = $6, note = $7
WHERE agency = $1 AND read_id = $2 AND role = $3;

-- confirm --
UPDATE retention.damaged_images SET state = 'lost', confirmed_by = $4, confirmed_name = $5, confirmed_at = $6,
    note = CASE WHEN $7 = '' THEN note ELSE note || E'\n' || $7 END
WHERE agency = $1 AND read_id = $2 AND role = $3;

-- deny --
UPDATE retention.damaged_images SET state = 'open', declared_by = '', declared_name = '', declared_at = NULL, note = ''
WHERE agency = $1 AND read_id = $2 AND role = $3;

-- of_runs --
SELECT run_id, agency, read_id, role, state, code FROM retention.damaged_images
WHERE run_id = ANY ($1) ORDER BY read_id, role;
