-- try_list --
SELECT pg_try_advisory_lock(hashtext('ingest.list'), hashtext($1 || '/' || $2));

-- release_list --
SELECT pg_advisory_unlock(hashtext('ingest.list'), hashtext($1 || '/' || $2));

-- hold_pages --
SELECT pg_advisory_xact_lock(hashtext('ingest.pages'), 0), set_config('enable_seqscan', 'off', true),
    set_config('max_parallel_workers_per_gather', '0', true);

-- set_hasty --
SELECT set_config('synchronous_commit', 'off', true);

-- set_joins --
SELECT set_config('enable_nestloop', 'off', true), set_config('work_mem', '64MB', true);

-- publishing_of --
SELECT * FROM ingest.loads WHERE agency = $1 AND code = $2 AND state = 'publishing' ORDER BY version LIMIT 1;

-- made --
SELECT * FROM ingest.loads WHERE agency = $1 AND code = $2 AND version = $3;

-- count_both --
SELECT count(*) FROM ingest.entries n JOIN ingest.entries o ON o.entry_id = n.entry_id AND o.until_version = $3
WHERE n.agency = $1 AND n.code = $2 AND n.from_version = $3;

-- approve_rollback --
UPDATE ingest.rollbacks SET approved_by = $2, approved_at = $3, version = $4
WHERE rollback_id = $1 AND approved_by IS NULL;

-- set_scans --
SELECT set_config('enable_seqscan', $1, false);

-- held --
SELECT entry_id, digest FROM ingest.entries WHERE entry_id = ANY($1) AND until_version = 0;

-- make_staged --
CREATE TEMP TABLE staged (
    n bigint GENERATED ALWAYS AS IDENTITY, entry_id uuid NOT NULL, held boolean NOT NULL, removal boolean NOT NULL,
    plate text, skeleton text, sealed bytea, key_id text, digest bytea
);

-- make_left_out --
CREATE TEMP TABLE left_out (line bigint NOT NULL, reason_code text NOT NULL);

-- drop_staged --
DROP TABLE IF EXISTS pg_temp.staged, pg_temp.left_out;

-- analyze_staged --
ANALYZE pg_temp.staged;

-- drop_superseded --
DELETE FROM pg_temp.staged s WHERE EXISTS (SELECT FROM pg_temp.staged l WHERE l.entry_id = s.entry_id AND l.n > s.n);

-- count_staged --
SELECT count(*) FILTER (WHERE NOT removal), count(*) FILTER (WHERE NOT removal AND held),
    count(*) FILTER (WHERE NOT removal AND held AND sealed IS NULL), count(*) FILTER (WHERE removal AND held)
FROM pg_temp.staged;

-- close_missing --
UPDATE ingest.entries e SET until_version = $3
WHERE e.agency = $1 AND e.code = $2 AND e.until_version = 0
    AND NOT EXISTS (SELECT FROM pg_temp.staged s WHERE s.entry_id = e.entry_id);

-- close_replaced --
UPDATE ingest.entries e SET until_version = $3
FROM pg_temp.staged s
WHERE e.entry_id = s.entry_id AND e.agency = $1 AND e.code = $2 AND e.until_version = 0
    AND s.held AND (s.removal OR s.sealed IS NOT NULL);

-- insert_staged --
INSERT INTO ingest.entries (entry_id, from_version, agency, code, plate, skeleton, sealed, key_id, digest)
SELECT entry_id, $3, $1, $2, plate, skeleton, sealed, key_id, digest FROM pg_temp.staged WHERE sealed IS NOT NULL
ORDER BY skeleton;

-- insert_rejects --
INSERT INTO ingest.load_rejects (agency, code, version, line, reason_code)
SELECT $1, $2, $3, line, min(reason_code) FROM pg_temp.left_out GROUP BY line;

-- forget_rejects --
DELETE FROM ingest.load_rejects WHERE agency = $1 AND code = $2 AND version <= $3;

-- close_entries --
UPDATE ingest.entries SET until_version = $3
WHERE entry_id = ANY($4) AND until_version = 0 AND agency = $1 AND code = $2 RETURNING entry_id;

-- close_later --
UPDATE ingest.entries SET until_version = $3
WHERE agency = $1 AND code = $2 AND until_version = 0 AND from_version > $4;

-- open_again --
INSERT INTO ingest.entries (entry_id, from_version, agency, code, plate, skeleton, sealed, key_id, digest)
SELECT entry_id, $3, agency, code, plate, skeleton, sealed, key_id, digest FROM ingest.entries
WHERE agency = $1 AND code = $2 AND from_version <= $4 AND until_version > $4 AND until_version < $3;

-- add_load --
INSERT INTO ingest.loads (agency, code, version, state, source_time, staged_at, loaded_by, file_sha256, entries,
    added, changed, removed, rejected, mode, layout, note, lifted, sources, category_off, restores,
    permissible_use, recipe)
VALUES ($1, $2, $3, 'publishing', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21);

-- count_touched --
SELECT count(*) FROM (
    SELECT skeleton FROM ingest.entries WHERE agency = $1 AND code = $2 AND from_version = $3
    UNION
    SELECT skeleton FROM ingest.entries WHERE agency = $1 AND code = $2 AND until_version = $3 AND NOT spent
        AND until_version <> 0
) touched;

-- touched --
SELECT skeleton FROM (
    (SELECT DISTINCT skeleton FROM ingest.entries
     WHERE agency = $1 AND code = $2 AND from_version = $3 AND skeleton > $4 ORDER BY skeleton LIMIT $5)
    UNION
    (SELECT DISTINCT skeleton FROM ingest.entries
     WHERE agency = $1 AND code = $2 AND until_version = $3 AND until_version <> 0 AND NOT spent AND skeleton > $4
     ORDER BY skeleton LIMIT $5)
) touched ORDER BY skeleton LIMIT $5;

-- buckets --
SELECT entry_id::text, plate, agency, code, from_version, until_version, sealed, key_id, skeleton FROM ingest.entries e
WHERE skeleton = ANY($1) AND NOT spent ORDER BY skeleton, e.entry_id, from_version;

-- skeletons --
SELECT DISTINCT skeleton FROM ingest.entries
WHERE agency = $1 AND code = $2 AND NOT spent AND skeleton > $3 ORDER BY skeleton LIMIT $4;

-- set_ends --
UPDATE ingest.hotlists SET end_offsets = $3 WHERE agency = $1 AND code = $2;

-- set_progress --
UPDATE ingest.loads SET buckets = $4, published = $5 WHERE agency = $1 AND code = $2 AND version = $3;

-- activate_load --
UPDATE ingest.loads SET state = 'active', active_at = $4
WHERE agency = $1 AND code = $2 AND version = $3 AND state = 'publishing' RETURNING version;

-- activate_list --
UPDATE ingest.hotlists SET version = $3, entries = $4, source_time = $5, loaded_at = $6, end_offsets = $7,
    rollback_to = CASE $8 WHEN 'change' THEN rollback_to WHEN 'rollback' THEN 0 ELSE version END
WHERE agency = $1 AND code = $2;

-- due_skeletons --
SELECT e.skeleton FROM ingest.loads l CROSS JOIN LATERAL (
    SELECT c.skeleton FROM ingest.entries c
    WHERE c.agency = l.agency AND c.code = l.code AND c.until_version = l.version AND c.until_version <> 0
        AND NOT c.spent
    ORDER BY c.skeleton LIMIT $2
) e WHERE l.state = 'active' AND l.active_at <= $1 LIMIT $2;

-- spend --
UPDATE ingest.entries e SET spent = true FROM ingest.loads l
WHERE e.skeleton = ANY($1) AND NOT e.spent AND e.until_version <> 0
    AND l.agency = e.agency AND l.code = e.code AND l.version = e.until_version
    AND l.state = 'active' AND l.active_at <= $2;

-- forget_spent --
WITH gone AS (
    DELETE FROM ingest.entries WHERE ctid = ANY(ARRAY(
        SELECT e.ctid FROM ingest.hotlists h
        JOIN ingest.entries e ON e.agency = h.agency AND e.code = h.code
            AND e.until_version <= CASE h.rollback_to WHEN 0 THEN 9223372036854775807 ELSE h.rollback_to END
        WHERE e.spent LIMIT $1))
    RETURNING agency, code, until_version
), floors AS (
    INSERT INTO ingest.list_floors (agency, code, version)
    SELECT agency, code, max(until_version) FROM gone GROUP BY agency, code ORDER BY agency, code
    ON CONFLICT (agency, code) DO UPDATE SET version = greatest(list_floors.version, excluded.version)
)
SELECT count(*) FROM gone;
