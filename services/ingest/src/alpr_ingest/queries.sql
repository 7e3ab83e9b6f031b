-- device --
SELECT d.*, (
    SELECT jsonb_agg(jsonb_build_object(
        'camera_id', c.camera_id, 'name', c.name, 'directions', c.directions, 'view', c.view) ORDER BY c.ordinal)
    FROM ingest.cameras c WHERE c.device_id = d.device_id
) AS cameras
FROM ingest.devices d WHERE d.device_id = ANY($1);

-- devices_of_agency --
SELECT d.*, (
    SELECT jsonb_agg(jsonb_build_object(
        'camera_id', c.camera_id, 'name', c.name, 'directions', c.directions, 'view', c.view) ORDER BY c.ordinal)
    FROM ingest.cameras c WHERE c.device_id = d.device_id
) AS cameras
FROM ingest.devices d WHERE d.agency = $1 ORDER BY d.device_id;

-- add_device --
INSERT INTO ingest.devices (device_id, agency, kind, name, carrier, public_view, siting_approver, siting_declared_on,
    in_service, latitude, longitude, public_key, software_version, revision, registered_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

-- add_camera --
INSERT INTO ingest.cameras (camera_id, device_id, ordinal, name, directions, view) VALUES ($1, $2, $3, $4, $5, $6);

-- change_device --
UPDATE ingest.devices SET in_service = $4, public_view = $5, siting_approver = $6, siting_declared_on = $7, revision = $3
WHERE agency = $1 AND device_id = $2 AND revision = $3 - 1 RETURNING revision;

-- put_outbox --
INSERT INTO ingest.outbox (topic, key, value, ce_id, created_at) VALUES ($1, $2, $3, $4, $5);

-- lock_relay --
SELECT pg_try_advisory_xact_lock(hashtext('ingest.outbox'));

-- outbox --
SELECT id, topic, key, value, ce_id, created_at FROM ingest.outbox ORDER BY id LIMIT $1;

-- forget_outbox --
DELETE FROM ingest.outbox WHERE id = ANY($1);

-- count_outbox --
SELECT count(*) FROM ingest.outbox;

-- seed_hotlist --
INSERT INTO ingest.hotlists (agency, code, name, list_type, advisory_class, default_reason, source,
    legitimate_interest, loads_per_day, approved, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $3, $7, $8, $9, $10)
ON CONFLICT (agency, code) DO UPDATE SET loads_per_day = excluded.loads_per_day;

-- add_hotlist --
INSERT INTO ingest.hotlists (agency, code, name, list_type, advisory_class, default_reason, source,
    legitimate_interest, loads_per_day, approved, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, true, $10)
ON CONFLICT (agency, code) DO NOTHING RETURNING code;

-- hotlists --
SELECT h.*, l.buckets AS loading_buckets, l.published AS loading_published
FROM ingest.hotlists h
LEFT JOIN ingest.loads l ON l.agency = h.agency AND l.code = h.code AND l.state = 'publishing'
WHERE h.agency = $1 ORDER BY h.code;

-- hotlist --
SELECT * FROM ingest.hotlists WHERE agency = $1 AND code = $2;

-- loads --
SELECT version, state, source_time, staged_at, active_at, loaded_by, entries, added, changed, removed, rejected
FROM ingest.loads WHERE agency = $1 AND code = $2 ORDER BY version DESC LIMIT $3;

-- lock_lists --
SELECT pg_try_advisory_lock(hashtext('ingest.lists'));

-- unlock_lists --
SELECT pg_advisory_unlock(hashtext('ingest.lists'));

-- open_entries --
SELECT entry_id, from_version, sealed, key_id FROM ingest.entries
WHERE agency = $1 AND code = $2 AND until_version = 0;

-- close_entries --
UPDATE ingest.entries SET until_version = $3
WHERE agency = $1 AND code = $2 AND until_version = 0 AND entry_id = ANY($4);

-- add_load --
INSERT INTO ingest.loads (agency, code, version, state, source_time, staged_at, loaded_by, file_sha256, entries,
    added, changed, removed, rejected)
VALUES ($1, $2, $3, 'publishing', $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- publishing_loads --
SELECT * FROM ingest.loads WHERE state = 'publishing' ORDER BY staged_at;

-- touched_skeletons --
SELECT DISTINCT skeleton FROM ingest.entries
WHERE agency = $1 AND code = $2 AND (from_version = $3 OR until_version = $3) ORDER BY skeleton;

-- buckets --
SELECT skeleton, entry_id, plate, agency, code, from_version, until_version, sealed, key_id FROM ingest.entries
WHERE skeleton = ANY($1) ORDER BY skeleton, entry_id, from_version;

-- set_progress --
UPDATE ingest.loads SET buckets = $4, published = $5 WHERE agency = $1 AND code = $2 AND version = $3;

-- activate_load --
UPDATE ingest.loads SET state = 'active', active_at = $4 WHERE agency = $1 AND code = $2 AND version = $3;

-- activate_list --
UPDATE ingest.hotlists SET version = $3, entries = $4, source_time = $5, loaded_at = $6, end_offsets = $7
WHERE agency = $1 AND code = $2;

-- closed_skeletons --
SELECT DISTINCT e.skeleton FROM ingest.entries e
JOIN ingest.loads l ON l.agency = e.agency AND l.code = e.code AND l.version = e.until_version
WHERE l.state = 'active' AND l.active_at <= $1 LIMIT $2;

-- closed_of_skeletons --
SELECT e.entry_id, e.from_version FROM ingest.entries e
JOIN ingest.loads l ON l.agency = e.agency AND l.code = e.code AND l.version = e.until_version
WHERE e.skeleton = ANY($1) AND l.state = 'active' AND l.active_at <= $2;

-- forget_entries --
DELETE FROM ingest.entries e USING unnest($1::uuid[], $2::bigint[]) AS gone(entry_id, from_version)
WHERE e.entry_id = gone.entry_id AND e.from_version = gone.from_version;
