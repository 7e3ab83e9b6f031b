-- enter --
INSERT INTO ingest.entered (entry_id, kind, agency, plate, skeleton, sealed, key_id, author, entered_at, effective_at,
    expires_at, extends)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT DO NOTHING RETURNING entry_id;

-- hold_partials --
SELECT pg_advisory_xact_lock(hashtext('ingest.partials'));

-- live_partials --
SELECT agency, count(*) AS live FROM ingest.entered WHERE kind = 'partial' AND NOT gone GROUP BY agency;

-- one_entered --
SELECT e.*, s.entry_id AS successor FROM ingest.entered e LEFT JOIN ingest.entered s ON s.extends = e.entry_id
    AND s.withdrawn_at IS NULL AND s.expires_at > s.effective_at
WHERE e.agency = $1 AND e.kind = $2 AND e.entry_id = $3;

-- entered --
SELECT e.*, s.entry_id AS successor FROM ingest.entered e LEFT JOIN ingest.entered s ON s.extends = e.entry_id
    AND s.withdrawn_at IS NULL AND s.expires_at > s.effective_at
WHERE e.agency = $1 AND e.kind = $2 AND ($3 OR (e.withdrawn_at IS NULL AND e.expires_at > $4))
    AND ($6::uuid IS NULL OR (e.withdrawn_at IS NULL AND e.expires_at > $4) < $7::boolean
        OR ((e.withdrawn_at IS NULL AND e.expires_at > $4) = $7
            AND (e.entered_at, e.entry_id)
                < (SELECT c.entered_at, c.entry_id FROM ingest.entered c WHERE c.agency = $1 AND c.entry_id = $6)))
ORDER BY (e.withdrawn_at IS NULL AND e.expires_at > $4) DESC, e.entered_at DESC, e.entry_id DESC LIMIT $5;

-- living_of_plate --
SELECT * FROM ingest.entered
WHERE agency = $1 AND plate = $2 AND kind = 'hot_plate' AND NOT gone AND withdrawn_at IS NULL AND expires_at > $3;

-- withdraw_entered --
WITH RECURSIVE chain AS (
    SELECT entry_id FROM ingest.entered WHERE agency = $1 AND kind = $2 AND entry_id = $3
    UNION SELECT s.entry_id FROM ingest.entered s JOIN chain c ON s.extends = c.entry_id
)
UPDATE ingest.entered e SET withdrawn_at = $4, gone = gone OR kind = 'partial'
FROM chain c WHERE e.entry_id = c.entry_id AND e.withdrawn_at IS NULL AND e.expires_at > $4
RETURNING e.entry_id;

-- change_entered --
UPDATE ingest.entered SET sealed = $3, key_id = $4, expires_at = $5, handed_over_at = $6, revision = revision + 1
WHERE entry_id = $1 AND revision = $2 AND withdrawn_at IS NULL AND expires_at > $7 RETURNING revision;

-- untold --
SELECT * FROM ingest.entered
WHERE kind = 'hot_plate' AND NOT gone
    AND (told < revision OR withdrawn_at IS NOT NULL OR expires_at <= $1)
ORDER BY agency, entered_at LIMIT $2;

-- mark_told --
UPDATE ingest.entered SET told = greatest(told, t.revision), in_force_at = coalesce(in_force_at, $3)
FROM unnest($1::uuid[], $2::integer[]) AS t (entry_id, revision) WHERE entered.entry_id = t.entry_id;

-- mark_gone --
UPDATE ingest.entered SET gone = true WHERE entry_id = ANY($1);

-- expired_partials --
UPDATE ingest.entered SET gone = true
WHERE entry_id IN (SELECT entry_id FROM ingest.entered WHERE kind = 'partial' AND NOT gone AND expires_at <= $1 LIMIT $2)
RETURNING entry_id, agency;

-- partial_version --
UPDATE ingest.hotlists SET version = version + 1, source_time = $2, loaded_at = $2,
    entries = (SELECT count(*) FROM ingest.entered e WHERE e.agency = $1 AND e.kind = 'partial' AND NOT e.gone)
WHERE agency = $1 AND code = 'PARTIAL' RETURNING *;

-- agencies_of_hot_plates --
SELECT DISTINCT agency FROM ingest.entered
WHERE kind = 'hot_plate' AND NOT gone AND withdrawn_at IS NULL AND expires_at > $1 AND handed_over_at IS NULL;

-- by_skeleton --
SELECT set_config('enable_seqscan', 'off', true);

-- taken_over --
SELECT h.*, e.sealed AS other_sealed, e.key_id AS other_key_id, e.entry_id AS other_id, e.code AS other_code
FROM ingest.entered h
CROSS JOIN LATERAL (SELECT * FROM ingest.entries s WHERE s.skeleton = h.skeleton AND s.plate = h.plate OFFSET 0) e
JOIN ingest.hotlists l ON l.agency = e.agency AND l.code = e.code AND l.agency = h.agency
WHERE h.agency = $1 AND h.kind = 'hot_plate' AND NOT h.gone AND h.withdrawn_at IS NULL AND h.expires_at > $3
    AND h.handed_over_at IS NULL AND e.code = ANY($2)
    AND e.from_version <= l.version AND (e.until_version = 0 OR e.until_version > l.version)
ORDER BY h.entry_id, e.code;

-- waits --
SELECT EXISTS (SELECT FROM ingest.outbox WHERE topic = $1 AND key = $2);

-- mark_partials_told --
UPDATE ingest.entered e SET told = revision, in_force_at = $1
WHERE kind = 'partial' AND NOT gone AND told < revision
    AND NOT EXISTS (SELECT FROM ingest.outbox o WHERE o.key IN (e.entry_id::text, e.agency || '/PARTIAL'));

-- lock_entered --
SELECT pg_try_advisory_lock(hashtext('ingest.entered'));

-- unlock_entered --
SELECT pg_advisory_unlock(hashtext('ingest.entered'));
