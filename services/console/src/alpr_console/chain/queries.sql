-- canaries --
SELECT camera_id, device_id, known_at, captured_at, arrived_at, missing_since FROM console.canaries
WHERE agency = $1 ORDER BY camera_id

-- expect_canary --
INSERT INTO console.canaries (agency, camera_id, device_id, known_at) VALUES ($1, $2, '', $3) ON CONFLICT DO NOTHING

-- canary_arrived --
INSERT INTO console.canaries (agency, camera_id, device_id, known_at, captured_at, notified_at, arrived_at)
VALUES ($1, $2, $3, $6, $4, $5, $6)
ON CONFLICT (agency, camera_id) DO UPDATE SET device_id = $3, captured_at = $4, notified_at = $5, arrived_at = $6
WHERE canaries.captured_at IS NULL OR canaries.captured_at < $4

-- canary_missing --
UPDATE console.canaries SET missing_since = $3 WHERE agency = $1 AND camera_id = $2 AND missing_since IS NULL
RETURNING camera_id

-- canary_back --
UPDATE console.canaries SET missing_since = NULL WHERE agency = $1 AND camera_id = $2 AND missing_since IS NOT NULL
RETURNING camera_id
