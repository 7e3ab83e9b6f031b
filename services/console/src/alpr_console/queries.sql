-- arm_sound --
UPDATE console.sessions SET sound_armed_at = $2 WHERE session_id = $1

-- mute_sound --
UPDATE console.sessions SET muted_until = $2 WHERE session_id = $1

-- speak_for --
SELECT set_config('console.agency', $1, true)

-- put_hit --
INSERT INTO console.hits
    (hit_id, agency, revision, matched_at, card, stored_at, expires_at, entry_id, entry_sealed, entry_key_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (hit_id) DO UPDATE SET revision = $3, matched_at = $4, card = $5
WHERE hits.revision < $3
   OR (hits.revision = $3
       AND coalesce((hits.card ->> 'hit_revision')::int, 0) < coalesce(($5::jsonb ->> 'hit_revision')::int, 0))

-- put_notification --
INSERT INTO console.notifications
    (notification_id, incident_id, agency, revision, kind, status, target, client_kind, audible, screen_text, hit_id,
     place, captured_at, notified_at, profile_version, stored_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (notification_id) DO NOTHING
RETURNING notification_id

-- lock_events --
SELECT pg_advisory_xact_lock(hashtext('console.events'), hashtext($1))

-- put_incident --
INSERT INTO console.incidents (incident_id, agency, notification_id, revision, hit_id, opened_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (incident_id) DO UPDATE
SET notification_id = $3, revision = $4, hit_id = $5, expires_at = greatest(incidents.expires_at, $7)
WHERE incidents.revision < $4

-- next_event --
WITH number AS (
    INSERT INTO console.event_numbers (agency, last_no) VALUES ($1, 1)
    ON CONFLICT (agency) DO UPDATE SET last_no = event_numbers.last_no + 1
    RETURNING last_no
)
INSERT INTO console.events (agency, event_no, incident_id, stored_at, expires_at)
SELECT $1, last_no, $2, $3, $4 FROM number
RETURNING event_no

-- wake --
SELECT pg_notify('console_events', $1)

-- last_event --
SELECT last_no FROM console.event_numbers WHERE agency = $1

-- events_after --
SELECT max(event_no) AS event_no, incident_id FROM (
    SELECT event_no, incident_id FROM console.events
    WHERE agency = $1 AND event_no > $2 ORDER BY event_no LIMIT $3
) AS next_events GROUP BY incident_id ORDER BY event_no

-- incidents_by_id --
SELECT i.incident_id, i.opened_at, i.acknowledged_at, i.acknowledged_by, i.shown_at, i.revision,
       n.kind, n.status, n.screen_text, n.notified_at, h.hit_id, h.card,
       h.entry_id, h.entry_sealed, h.entry_key_id,
       (SELECT bool_or(a.audible) FROM console.notifications a
        WHERE a.incident_id = i.incident_id AND a.client_kind = 'dispatch_console') AS audible,
       (SELECT min(p.presented_at) FROM console.presented p
        WHERE p.agency = i.agency AND p.hit_id = i.hit_id) AS hit_shown_at,
       (SELECT jsonb_agg(jsonb_build_object('at', s.captured_at, 'place', s.place) ORDER BY s.revision)
        FROM (SELECT DISTINCT ON (revision) revision, captured_at, place FROM console.notifications
              WHERE incident_id = i.incident_id AND client_kind = 'dispatch_console' AND kind <> 'recall'
              ORDER BY revision) AS s
       ) AS sightings
FROM console.incidents i
JOIN console.notifications n USING (notification_id)
JOIN console.hits h ON h.hit_id = i.hit_id
WHERE i.agency = $1 AND i.incident_id = ANY($2)

-- newest_incidents --
SELECT incident_id FROM console.incidents
WHERE agency = $1 AND expires_at > $2 AND (acknowledged_at IS NULL OR opened_at > $3)
ORDER BY (acknowledged_at IS NULL) DESC, opened_at DESC, incident_id LIMIT $4

-- incident_of_hit --
SELECT n.incident_id FROM console.notifications n
WHERE n.agency = $1 AND n.hit_id = $2 AND n.client_kind = 'dispatch_console'
ORDER BY n.kind = 'storm', n.revision DESC LIMIT 1

-- incidents_of_hit --
SELECT DISTINCT n.incident_id FROM console.notifications n
WHERE n.agency = $1 AND n.hit_id = $2 AND n.client_kind = 'dispatch_console' ORDER BY n.incident_id

-- newest_hits --
SELECT card FROM console.hits
WHERE agency = $1 AND matched_at > $2 AND matched_at < $3 ORDER BY matched_at DESC, hit_id LIMIT $4

-- one_hit --
SELECT card FROM console.hits WHERE agency = $1 AND hit_id = $2 AND matched_at > $3

-- storm_hits --
SELECT count(*) FROM console.hits WHERE agency = $1 AND card ->> 'storm_id' = $2 AND matched_at > $3

-- put_presented --
INSERT INTO console.presented (hit_id, session_id, agency, person_id, sound, screen, presented_at, expires_at)
SELECT h.hit_id, $2, h.agency, $4, $5, $6, $7, h.expires_at FROM console.hits h WHERE h.hit_id = $1 AND h.agency = $3
ON CONFLICT DO NOTHING
RETURNING hit_id

-- has_hit --
SELECT true FROM console.hits WHERE agency = $1 AND hit_id = $2

-- presentations --
SELECT session_id, person_id, sound, screen, presented_at FROM console.presented
WHERE agency = $1 AND hit_id = $2 ORDER BY presented_at

-- set_shown --
UPDATE console.incidents i SET shown_at = coalesce(i.shown_at, $4)
FROM console.notifications n
WHERE i.agency = $1 AND i.incident_id = $2 AND n.incident_id = i.incident_id AND n.hit_id = $3
  AND n.client_kind = 'dispatch_console'
  AND (SELECT count(*) FROM console.presented p WHERE p.agency = $1 AND p.hit_id = $3) = 1
RETURNING i.expires_at, n.notified_at

-- acknowledge --
UPDATE console.incidents SET acknowledged_at = $4, acknowledged_by = $3
WHERE agency = $1 AND incident_id = $2 AND acknowledged_at IS NULL
RETURNING expires_at

-- put_read_check --
-- the same finding by the same person as the newest one is a repeat
INSERT INTO console.read_checks
    (hit_id, check_no, agency, read_id, device_id, camera_id, reader, result, method, state_confirmed, plate_text,
     corrected_text, person_id, full_name, checked_at, expires_at)
SELECT $1, coalesce(max(c.check_no), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
FROM console.read_checks c WHERE c.agency = $2 AND c.hit_id = $1
HAVING NOT coalesce(
    (SELECT (n.person_id, n.result, n.method, n.state_confirmed, n.corrected_text) = ($12, $7, $8, $9, $11)
     FROM console.read_checks n WHERE n.agency = $2 AND n.hit_id = $1 ORDER BY n.check_no DESC LIMIT 1), false)
RETURNING check_no

-- findings_of_device --
SELECT DISTINCT ON (read_id) result, plate_text, corrected_text FROM console.read_checks
WHERE agency = $1 AND device_id = $2 AND reader = $3 ORDER BY read_id, checked_at DESC, check_no DESC

-- read_checks_of --
SELECT DISTINCT ON (hit_id) hit_id, result, method, state_confirmed, plate_text, corrected_text, full_name AS by,
       checked_at AS at
FROM console.read_checks WHERE agency = $1 AND hit_id = ANY($2) ORDER BY hit_id, check_no DESC

-- device_checks --
-- of several findings about one read, through several hits or corrected later, the newest counts
SELECT device_id, camera_id, reader, count(*) AS checked, count(*) FILTER (WHERE result = 'misread') AS misreads
FROM (SELECT DISTINCT ON (read_id) device_id, camera_id, reader, result FROM console.read_checks
      WHERE agency = $1 AND ($2::text IS NULL OR device_id = $2)
      ORDER BY read_id, checked_at DESC, check_no DESC) AS newest
GROUP BY device_id, camera_id, reader ORDER BY device_id, camera_id, reader

-- purge_read_checks --
-- the texts go with their record; that a device misread stays
UPDATE console.read_checks SET plate_text = NULL, corrected_text = NULL
WHERE expires_at <= $1 AND plate_text IS NOT NULL

-- purge_hits --
DELETE FROM console.hits WHERE expires_at <= $1

-- purge_notifications --
DELETE FROM console.notifications WHERE expires_at <= $1

-- purge_incidents --
DELETE FROM console.incidents WHERE expires_at <= $1

-- purge_events --
DELETE FROM console.events WHERE expires_at <= $1

-- purge_presented --
DELETE FROM console.presented WHERE expires_at <= $1

-- put_outbox --
INSERT INTO console.outbox (topic, key, value, headers, created_at) VALUES ($1, $2, $3, $4, $5)

-- lock_relay --
SELECT pg_try_advisory_xact_lock(hashtext('console.outbox')) AS held

-- next_outbox --
SELECT outbox_id, topic, key, value, headers FROM console.outbox ORDER BY outbox_id LIMIT $1

-- delete_outbox --
DELETE FROM console.outbox WHERE outbox_id = ANY($1)

