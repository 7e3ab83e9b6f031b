-- arm_sound --
UPDATE console.sessions SET sound_armed_at = $2 WHERE session_id = $1

-- watched --
UPDATE console.sessions SET watched_at = $2 WHERE session_id = $1

-- mute_sound --
UPDATE console.sessions SET muted_until = $2 WHERE session_id = $1

-- speak_for --
SELECT set_config('console.agency', $1, true)

-- put_hit --
INSERT INTO console.hits
    (hit_id, agency, revision, matched_at, card, stored_at, expires_at, entry_id, entry_sealed, entry_key_id, wire)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (hit_id) DO UPDATE SET revision = $3, matched_at = $4, card = $5, wire = $11
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

-- raise_alert --
INSERT INTO console.alerts (alert_id, agency, kind, person_id, username, full_name, facts, raised_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING

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
SELECT i.incident_id, i.opened_at, i.acknowledged_at, i.acknowledged_by, i.shown_at, i.revision, i.owner_name,
       i.owned_since, i.escalated_at, i.overdue_at,
       n.kind, n.status, n.screen_text, n.notified_at, n.stored_at, h.hit_id, h.card,
       h.entry_id, h.entry_sealed, h.entry_key_id,
       (SELECT bool_or(a.audible) FROM console.notifications a
        WHERE a.incident_id = i.incident_id AND a.client_kind = 'dispatch_console') AS audible,
       (SELECT min(p.presented_at) FROM console.presented p
        WHERE p.agency = i.agency AND p.hit_id = i.hit_id) AS hit_shown_at,
       (SELECT jsonb_agg(
            jsonb_build_object('at', s.captured_at, 'place', s.place, 'hit_id', s.hit_id, 'latitude', s.card -> 'latitude',
                               'longitude', s.card -> 'longitude', 'direction', s.card -> 'direction')
            ORDER BY s.revision)
        FROM (SELECT DISTINCT ON (t.revision) t.revision, t.captured_at, t.place, hit_id, th.card
              FROM console.notifications t JOIN console.hits th USING (hit_id)
              WHERE t.incident_id = i.incident_id AND t.client_kind = 'dispatch_console'
                    AND t.kind NOT IN ('recall', 'broadcast', 'escalation')
              ORDER BY t.revision) AS s
       ) AS sightings
FROM console.incidents i
JOIN console.notifications n USING (notification_id)
JOIN console.hits h ON h.hit_id = i.hit_id
WHERE i.agency = $1 AND i.incident_id = ANY($2)

-- newest_incidents --
SELECT incident_id FROM console.incidents
-- what is worked on stays in the queue until it is closed, or turned out to be no hit
WHERE agency = $1 AND expires_at > $2
  AND (acknowledged_at IS NULL OR opened_at > $3 OR incident_id IN (
    SELECT n.incident_id FROM console.hit_steps s
    JOIN console.notifications n ON n.agency = s.agency AND n.hit_id = s.work_id
    WHERE s.agency = $1 AND s.step_no = 1 AND s.done_at > (
        SELECT min(opened_at) FROM console.incidents WHERE agency = $1 AND expires_at > $2)
      AND NOT EXISTS (
      SELECT 1 FROM console.hit_steps e WHERE e.agency = s.agency AND e.work_id = s.work_id
      AND (e.step = 'closure' OR e.kind IN ('misread', 'wrong_state', 'not_active')))))
ORDER BY (acknowledged_at IS NULL) DESC, opened_at DESC, incident_id LIMIT $4

-- incident_of_hit --
SELECT n.incident_id FROM console.notifications n
WHERE n.agency = $1 AND n.hit_id = $2 AND n.client_kind = 'dispatch_console'
ORDER BY n.kind = 'storm', n.revision DESC LIMIT 1

-- incidents_of_hit --
SELECT i.incident_id, i.expires_at FROM console.incidents i
WHERE i.agency = $1 AND i.incident_id IN (
    SELECT n.incident_id FROM console.notifications n
    WHERE n.agency = $1 AND n.hit_id = $2 AND n.client_kind = 'dispatch_console')
ORDER BY i.incident_id

-- newest_hits --
SELECT card FROM console.hits
WHERE agency = $1 AND matched_at > $2 AND matched_at < $3 ORDER BY matched_at DESC, hit_id LIMIT $4

-- one_hit --
-- a hit that is worked on stays until its work is over
SELECT card FROM console.hits
WHERE agency = $1 AND hit_id = $2 AND (matched_at > $3 OR console.work_open($1, hit_id))

-- wire_of_hit --
SELECT wire FROM console.hits WHERE agency = $1 AND hit_id = $2

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
RETURNING i.expires_at, n.captured_at, n.notified_at, n.stored_at

-- acknowledge --
-- who can answer for hits becomes the owner ($5), where there is none
UPDATE console.incidents
SET acknowledged_at = coalesce(acknowledged_at, $4),
    acknowledged_by = CASE WHEN acknowledged_at IS NULL THEN $3 ELSE acknowledged_by END,
    owner_id = CASE WHEN owner_id = '' THEN $5 ELSE owner_id END,
    owner_name = CASE WHEN owner_id = '' AND $5 <> '' THEN $3 ELSE owner_name END,
    owned_since = CASE WHEN owner_id = '' AND $5 <> '' THEN $4 ELSE owned_since END
WHERE agency = $1 AND incident_id = $2 AND (acknowledged_at IS NULL OR (owner_id = '' AND $5 <> ''))
RETURNING expires_at, acknowledged_at, shown_at

-- device_checks --
-- of several findings about one read, through several hits or corrected later, the newest counts
SELECT device_id, camera_id, reader, count(*) AS checked, count(*) FILTER (WHERE result = 'misread') AS misreads
FROM (SELECT DISTINCT ON (read_id) device_id, camera_id, reader, result FROM console.read_checks
      WHERE agency = $1 AND ($2::text IS NULL OR device_id = $2)
      ORDER BY read_id, checked_at DESC, check_no DESC) AS newest
GROUP BY device_id, camera_id, reader ORDER BY device_id, camera_id, reader

-- remove_hits --
DELETE FROM console.hits WHERE agency = $1 AND hit_id = ANY ($2::text[])

-- remove_notifications --
DELETE FROM console.notifications WHERE agency = $1 AND hit_id = ANY ($2::text[])

-- remove_incidents --
DELETE FROM console.incidents WHERE agency = $1 AND hit_id = ANY ($2::text[])

-- tidy_events --
DELETE FROM console.events WHERE expires_at <= $1

-- tidy_registrations --
DELETE FROM console.registration_lookups r USING console.hits h
WHERE h.agency = r.agency AND h.hit_id = r.hit_id AND h.expires_at <= $1

-- remove_presented --
DELETE FROM console.presented WHERE agency = $1 AND hit_id = ANY ($2::text[])

-- put_outbox --
INSERT INTO console.outbox (topic, key, value, headers, created_at) VALUES ($1, $2, $3, $4, $5)

-- lock_relay --
SELECT pg_try_advisory_xact_lock(hashtext('console.outbox')) AS held

-- next_outbox --
SELECT outbox_id, topic, key, value, headers FROM console.outbox ORDER BY outbox_id LIMIT $1

-- delete_outbox --
DELETE FROM console.outbox WHERE outbox_id = ANY($1)

-- count_outbox --
SELECT count(*) AS waiting, coalesce(greatest(extract(epoch FROM now() - min(created_at)), 0), 0)::float8 AS oldest_s
FROM console.outbox

