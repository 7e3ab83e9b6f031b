-- seed_hotlist --
INSERT INTO ingest.hotlists (agency, code, name, list_type, advisory_class, default_reason, source,
    legitimate_interest, loads_per_day, approved, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $3, $7, $8, $9, $10)
ON CONFLICT (agency, code) DO UPDATE SET loads_per_day = excluded.loads_per_day;

-- follow_policy --
UPDATE ingest.hotlists SET name = $3, source = $3, advisory_class = $4, default_reason = $5
WHERE agency = $1 AND code = $2 AND created_by = 'profile'
    AND (name, source, advisory_class, default_reason) IS DISTINCT FROM ($3, $3, $4, $5);

-- add_hotlist --
INSERT INTO ingest.hotlists (agency, code, name, list_type, advisory_class, default_reason, source,
    legitimate_interest, loads_per_day, approved, created_by, permissible_use)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $11, $10, $12)
ON CONFLICT (agency, code) DO NOTHING RETURNING code;

-- set_permissible_use --
UPDATE ingest.hotlists SET permissible_use = $3 WHERE agency = $1 AND code = $2;

-- hotlists --
SELECT h.*, l.buckets AS loading_buckets, l.published AS loading_published
FROM ingest.hotlists h
LEFT JOIN ingest.loads l ON l.agency = h.agency AND l.code = h.code AND l.state = 'publishing'
WHERE h.agency = $1 ORDER BY h.code;

-- hotlist --
SELECT * FROM ingest.hotlists WHERE agency = $1 AND code = $2;

-- loads --
SELECT version, state, mode, layout, source_time, staged_at, active_at, loaded_by, entries, added, changed, removed,
    rejected, category_off, note, lifted, sources, restores, permissible_use
FROM ingest.loads WHERE agency = $1 AND code = $2 ORDER BY version DESC LIMIT $3;

-- load --
SELECT version, state, mode, layout, source_time, staged_at, active_at, loaded_by, entries, added, changed, removed,
    rejected, category_off, note, lifted, sources, restores, permissible_use
FROM ingest.loads WHERE agency = $1 AND code = $2 AND version = $3;

-- ask_rollback --
INSERT INTO ingest.rollbacks (rollback_id, agency, code, from_version, to_version, note, asked_by, asked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- rollbacks --
SELECT * FROM ingest.rollbacks WHERE agency = $1 AND code = $2 ORDER BY asked_at DESC LIMIT $3;

-- publishing_lists --
SELECT agency, code FROM ingest.loads WHERE state = 'publishing' ORDER BY staged_at;

-- rejects --
SELECT line, reason_code FROM ingest.load_rejects
WHERE agency = $1 AND code = $2 AND version = $3 AND line > $4 ORDER BY line LIMIT $5;

-- reject_codes --
SELECT reason_code, count(*) AS lines FROM ingest.load_rejects
WHERE agency = $1 AND code = $2 AND version = $3 GROUP BY reason_code ORDER BY lines DESC, reason_code;

-- confirm_list --
INSERT INTO ingest.pulls (agency, code, started_at, ended_at, outcome, version, asked_by)
VALUES ($1, $2, $3, $3, 'unchanged', $4, $5);
