-- every_device --
SELECT d.*, (
    SELECT jsonb_agg(jsonb_build_object(
        'camera_id', c.camera_id, 'name', c.name, 'directions', c.directions, 'view', c.view) ORDER BY c.ordinal)
    FROM ingest.cameras c WHERE c.device_id = d.device_id
) AS cameras
FROM ingest.devices d ORDER BY d.device_id;

-- lists_in_force --
SELECT * FROM ingest.hotlists WHERE version > 0 ORDER BY agency, code;

-- living_partials --
SELECT * FROM ingest.entered WHERE kind = 'partial' AND NOT gone ORDER BY entry_id;
