-- count_outdated --
SELECT (SELECT count(*) FROM ingest.entries WHERE key_id <> $1) + (SELECT count(*) FROM ingest.entered WHERE key_id <> $1);

-- outdated_skeletons --
SELECT DISTINCT skeleton FROM ingest.entries WHERE skeleton > $2 AND key_id <> $1 ORDER BY skeleton LIMIT $3;

-- outdated_entries --
SELECT entry_id, from_version, sealed, key_id FROM ingest.entries
WHERE skeleton = ANY($2) AND key_id <> $1 FOR UPDATE SKIP LOCKED;

-- reseal_entries --
UPDATE ingest.entries e SET sealed = n.sealed, key_id = $1, digest = CASE WHEN e.digest IS NOT NULL THEN n.digest END
FROM unnest($2::uuid[], $3::bigint[], $4::bytea[], $5::bytea[]) AS n (entry_id, from_version, sealed, digest)
WHERE e.entry_id = n.entry_id AND e.from_version = n.from_version;

-- outdated_entered --
SELECT * FROM ingest.entered WHERE key_id <> $1 AND entry_id > $2 ORDER BY entry_id LIMIT $3 FOR UPDATE SKIP LOCKED;

-- reseal_entered --
UPDATE ingest.entered e SET sealed = n.sealed, key_id = $1
FROM unnest($2::uuid[], $3::bytea[]) AS n (entry_id, sealed) WHERE e.entry_id = n.entry_id;
