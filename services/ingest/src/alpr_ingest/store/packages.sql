-- use_nonce --
INSERT INTO ingest.device_calls (device_id, nonce, called_at) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING RETURNING nonce;

-- forget_nonces --
DELETE FROM ingest.device_calls WHERE device_id = $1 AND called_at < $2;

-- floors --
SELECT code, version FROM ingest.list_floors WHERE agency = $1;

-- floor --
SELECT version FROM ingest.list_floors WHERE agency = $1 AND code = $2;

-- first_end --
SELECT min(expires_at) FROM ingest.entered
WHERE kind = 'hot_plate' AND agency = $1 AND NOT gone AND withdrawn_at IS NULL;

-- count_in_version --
SELECT count(*) FROM ingest.entries
WHERE agency = $1 AND code = $2 AND from_version <= $3 AND (until_version = 0 OR until_version > $3);

-- removed_since --
SELECT entry_id FROM ingest.entries
WHERE agency = $1 AND code = $2 AND until_version > $3 AND until_version <= $4 AND until_version <> 0 AND NOT spent
UNION ALL
SELECT entry_id FROM ingest.entries
WHERE agency = $1 AND code = $2 AND until_version > $3 AND until_version <= $4 AND spent
LIMIT $5;

-- put_since --
SELECT entry_id, plate, skeleton, agency, code, from_version, until_version, sealed, key_id FROM ingest.entries
WHERE agency = $1 AND code = $2 AND (from_version, skeleton) > ($3, $4::text) AND from_version <= $5
    AND (until_version = 0 OR until_version > $5)
ORDER BY from_version, skeleton FETCH FIRST $6 ROWS WITH TIES;

-- device_copy --
SELECT package_id, issued_at, reported_at FROM ingest.device_copies WHERE device_id = $1;

-- device_lists --
SELECT code, version, held_since FROM ingest.device_list_state WHERE device_id = $1;

-- put_copy --
INSERT INTO ingest.device_copies (device_id, agency, package_id, issued_at, reported_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (device_id) DO UPDATE SET package_id = $3, issued_at = $4, reported_at = $5
WHERE device_copies.issued_at < $4 OR (device_copies.issued_at = $4 AND device_copies.package_id = $3)
RETURNING device_id;

-- drop_lists --
DELETE FROM ingest.device_list_state WHERE device_id = $1 AND code <> ALL($2);

-- put_list --
INSERT INTO ingest.device_list_state (device_id, code, version, held_since) VALUES ($1, $2, $3, $4)
ON CONFLICT (device_id, code) DO UPDATE SET version = $3, held_since = $4 WHERE device_list_state.version <> $3;

-- add_check --
INSERT INTO ingest.shift_checks (check_id, agency, device_id, checked_by, checked_at, result, gate_overridden,
    override_reason, outdated, profile_version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);
