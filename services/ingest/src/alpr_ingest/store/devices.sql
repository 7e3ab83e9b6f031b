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
