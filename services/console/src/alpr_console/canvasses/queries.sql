-- put_canvass --
INSERT INTO console.canvasses
    (canvass_id, agency, incident_type, polygon, captured_from, captured_to, purpose_code, sealed, key_id,
     profile_version, opened_by, opened_name, opened_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT DO NOTHING RETURNING canvass_id

-- canvasses --
SELECT canvass_id, incident_type, polygon, captured_from, captured_to, purpose_code, sealed, key_id, opened_name,
       opened_at, closed_at, closed_name,
       ARRAY(SELECT device_id FROM console.canvass_units u WHERE u.canvass_id = c.canvass_id ORDER BY device_id) AS units,
       ARRAY(SELECT e.kind || ':' || e.entry_id FROM console.canvass_entries e WHERE e.canvass_id = c.canvass_id
             ORDER BY e.added_at, e.entry_id) AS entries
FROM console.canvasses c
WHERE agency = $1 AND ($2::text IS NULL OR canvass_id = $2)
ORDER BY closed_at IS NOT NULL, opened_at DESC LIMIT 200

-- lock_open_canvass --
SELECT canvass_id FROM console.canvasses WHERE agency = $1 AND canvass_id = $2 AND closed_at IS NULL FOR UPDATE

-- put_canvass_unit --
INSERT INTO console.canvass_units (canvass_id, agency, device_id, full_name, assigned_at)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING

-- keep_canvass_units --
DELETE FROM console.canvass_units WHERE agency = $1 AND canvass_id = $2 AND device_id <> ALL ($3::text[])

-- put_canvass_entry --
INSERT INTO console.canvass_entries (canvass_id, agency, kind, entry_id, full_name, added_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING entry_id

-- close_canvass --
UPDATE console.canvasses SET closed_at = $3, closed_name = $4 WHERE agency = $1 AND canvass_id = $2

-- purge_canvasses --
DELETE FROM console.canvasses WHERE expires_at <= $1
