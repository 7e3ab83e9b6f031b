-- feed --
SELECT * FROM ingest.feeds WHERE agency = $1 AND code = $2;

-- feeds_of --
SELECT f.*, p.outcome, p.reason_code FROM ingest.feeds f
LEFT JOIN LATERAL (
    SELECT outcome, reason_code FROM ingest.pulls p
    WHERE p.agency = f.agency AND p.code = f.code ORDER BY number DESC LIMIT 1
) p ON true
WHERE f.agency = $1 ORDER BY f.code;

-- set_feed --
INSERT INTO ingest.feeds (agency, code, kind, address, layout, every_s, at, credential, host_key, move_loaded, sources,
    permissible_use, set_by, set_at, next_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (agency, code) DO UPDATE SET kind = excluded.kind, address = excluded.address, layout = excluded.layout,
    every_s = excluded.every_s, at = excluded.at, credential = excluded.credential, host_key = excluded.host_key,
    move_loaded = excluded.move_loaded, sources = excluded.sources,
    permissible_use = excluded.permissible_use, set_by = excluded.set_by, set_at = excluded.set_at, next_at = excluded.next_at,
    failures = 0, asked_by = '', etag = '', modified = '', sha256 = '', version = 0, refused = '';

-- remove_feed --
WITH mended AS (DELETE FROM ingest.list_alarms WHERE agency = $1 AND code = $2 AND kind = 'feed_stopped')
DELETE FROM ingest.feeds WHERE agency = $1 AND code = $2 RETURNING code;

-- ask_pull --
UPDATE ingest.feeds SET next_at = $3, asked_by = $4 WHERE agency = $1 AND code = $2 RETURNING code;

-- due_feeds --
SELECT f.* FROM ingest.feeds f JOIN ingest.hotlists h USING (agency, code)
WHERE f.next_at <= $1 AND h.approved ORDER BY f.next_at LIMIT $2;

-- lock_feed --
SELECT pg_try_advisory_lock(hashtext('ingest.feeds'), hashtext($1));

-- unlock_feed --
SELECT pg_advisory_unlock(hashtext('ingest.feeds'), hashtext($1));

-- interrupt_pulls --
UPDATE ingest.pulls SET outcome = 'interrupted', ended_at = $3
WHERE agency = $1 AND code = $2 AND outcome = 'running';

-- begin_pull --
INSERT INTO ingest.pulls (agency, code, started_at, outcome, asked_by) VALUES ($1, $2, $3, 'running', $4)
RETURNING number;

-- end_pull --
UPDATE ingest.pulls SET ended_at = $2, outcome = $3, reason_code = $4, detail = $5, size = $6, sha256 = $7, version = $8
WHERE number = $1;

-- drop_pull --
DELETE FROM ingest.pulls WHERE number = $1;

-- forget_pulls --
DELETE FROM ingest.pulls WHERE ended_at < $1;

-- feed_pulled --
UPDATE ingest.feeds SET next_at = CASE WHEN next_at > $12 THEN next_at ELSE $4 END, failures = $5,
    asked_by = CASE WHEN next_at > $12 THEN asked_by ELSE '' END, last_ok_at = coalesce($6, last_ok_at),
    etag = $7, modified = $8, sha256 = $9, version = $10, refused = $11
WHERE agency = $1 AND code = $2 AND set_at = $3;

-- postpone_feed --
UPDATE ingest.feeds SET next_at = $4, failures = failures + 1
WHERE agency = $1 AND code = $2 AND set_at = $3 AND next_at < $4;

-- rolled_back --
SELECT b.file_sha256 FROM ingest.loads r
JOIN ingest.loads b ON b.agency = r.agency AND b.code = r.code AND b.version > r.restores AND b.version < r.version
WHERE r.agency = $1 AND r.code = $2 AND r.restores IS NOT NULL AND b.restores IS NULL;

-- pulls --
SELECT * FROM ingest.pulls WHERE agency = $1 AND code = $2 ORDER BY number DESC LIMIT $3;

-- raise_list_alarm --
INSERT INTO ingest.list_alarms (agency, code, kind, reason_code, raised_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (agency, code, kind) DO UPDATE SET reason_code = excluded.reason_code, raised_at = excluded.raised_at
WHERE list_alarms.reason_code <> excluded.reason_code RETURNING kind;

-- clear_list_alarm --
DELETE FROM ingest.list_alarms WHERE agency = $1 AND code = $2 AND kind = $3 RETURNING raised_at;

-- begin_watch --
UPDATE ingest.hotlists SET watched_from = $1
WHERE watched_from IS NULL AND (approved OR list_type <> 'special');

-- watched_lists --
SELECT h.*, f.code IS NOT NULL AS fed,
    greatest(f.last_ok_at, (SELECT max(p.ended_at) FROM ingest.pulls p
                            WHERE p.agency = h.agency AND p.code = h.code AND p.outcome = 'unchanged')) AS last_ok_at,
    (SELECT max(day) FROM ingest.list_days d WHERE d.agency = h.agency AND d.code = h.code) AS judged_to,
    EXISTS (SELECT 1 FROM ingest.pulls p
            WHERE p.agency = h.agency AND p.code = h.code AND p.outcome = 'running' AND p.started_at > $1) AS running,
    EXISTS (SELECT 1 FROM ingest.list_alarms a
            WHERE a.agency = h.agency AND a.code = h.code AND a.kind = 'stale') AS alarmed
FROM ingest.hotlists h LEFT JOIN ingest.feeds f USING (agency, code)
WHERE h.watched_from IS NOT NULL AND h.list_type IN ('core', 'special', 'local')
ORDER BY h.agency, h.code;

-- entries_of --
SELECT skeleton, entry_id, plate, agency, code, from_version, until_version, sealed, key_id FROM ingest.entries
WHERE agency = $1 AND code = $2 AND skeleton = ANY($3)
    AND from_version <= $4 AND (until_version = 0 OR until_version > $4);

-- loads_between --
SELECT (SELECT count(*) FROM ingest.loads
        WHERE agency = $1 AND code = $2 AND state = 'active' AND restores IS NULL AND active_at >= $3 AND active_at < $4)
     + (SELECT count(*) FROM ingest.pulls
        WHERE agency = $1 AND code = $2 AND outcome = 'unchanged' AND ended_at >= $3 AND ended_at < $4);

-- judge_day --
INSERT INTO ingest.list_days (agency, code, day, loads, needed) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING day;

-- set_categories_off --
WITH anew AS (
    -- the same file says something else now, so it is fetched and compared again
    UPDATE ingest.feeds SET sha256 = '', refused = '' WHERE agency = $1 AND code = $2
)
UPDATE ingest.hotlists SET categories_off = $3 WHERE agency = $1 AND code = $2 RETURNING code;

-- categories_off --
SELECT categories_off FROM ingest.hotlists WHERE agency = $1 AND code = $2;
