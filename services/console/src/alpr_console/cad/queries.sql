-- incident --
-- the newest incident of a hit that a dispatcher's screen shows; a storm's own incident is not one of its hits'
SELECT n.incident_id, i.revision, n.status, h.expires_at
FROM console.notifications n
JOIN console.incidents i ON i.incident_id = n.incident_id
JOIN console.hits h ON h.hit_id = n.hit_id
WHERE n.agency = $1 AND n.hit_id = $2 AND n.client_kind = 'dispatch_console'
ORDER BY n.kind = 'storm', n.revision DESC LIMIT 1

-- hit_of_incident --
SELECT i.hit_id, h.expires_at FROM console.incidents i JOIN console.hits h ON h.hit_id = i.hit_id
WHERE i.agency = $1 AND i.incident_id = $2

-- put_status --
INSERT INTO console.cad_statuses
    (agency, event_id, incident_id, hit_id, status, reason, call_number, unit, simulated, said_at, stored_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT DO NOTHING RETURNING event_id

-- statuses_of_incident --
SELECT event_id, incident_id, status, reason, call_number, unit, simulated, said_at FROM console.cad_statuses
WHERE agency = $1 AND incident_id = $2

-- statuses_of_hits --
SELECT DISTINCT n.hit_id, s.event_id, s.incident_id, s.status, s.reason, s.call_number, s.unit, s.simulated, s.said_at
FROM console.notifications n
JOIN console.cad_statuses s ON s.agency = n.agency AND s.incident_id = n.incident_id
WHERE n.agency = $1 AND n.hit_id = ANY($2) AND n.client_kind = 'dispatch_console'

-- newest_statuses --
SELECT s.event_id, s.incident_id, s.hit_id, s.status, s.reason, s.call_number, s.unit, s.simulated, s.said_at,
    s.stored_at, n.place, n.captured_at
FROM console.cad_statuses s
LEFT JOIN LATERAL (
    SELECT place, captured_at FROM console.notifications
    WHERE agency = s.agency AND incident_id = s.incident_id ORDER BY revision DESC LIMIT 1
) n ON true
WHERE s.agency = $1 ORDER BY s.stored_at DESC, s.event_id LIMIT $2

-- told_before --
SELECT event_id, sent_at, update_no FROM console.cad_events
WHERE agency = $1 AND incident_id = $2 AND event_id <> $3 ORDER BY sent_at DESC, update_no DESC LIMIT $4

-- last_update --
SELECT coalesce(max(update_no), 0) FROM console.cad_events WHERE agency = $1 AND incident_id = $2

-- put_event --
INSERT INTO console.cad_events
    (event_id, agency, incident_id, hit_id, kind, update_no, sent_at, body, to_topic, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING RETURNING event_id

-- has_endpoint --
SELECT EXISTS (SELECT 1 FROM console.cad_endpoints WHERE agency = $1 AND disabled_at IS NULL AND url <> '')

-- put_deliveries --
INSERT INTO console.cad_deliveries (event_id, endpoint_id, agency, next_at)
SELECT $1, endpoint_id, $2, $3 FROM console.cad_endpoints WHERE agency = $2 AND disabled_at IS NULL AND url <> ''
ON CONFLICT DO NOTHING

-- agencies_waiting --
SELECT DISTINCT agency FROM console.cad_events WHERE to_topic

-- lock_relay --
SELECT pg_try_advisory_xact_lock(hashtext('console.cad_topic'), hashtext($1))

-- waiting_for_topic --
SELECT event_id, incident_id, body, sent_at FROM console.cad_events WHERE agency = $1 AND to_topic
ORDER BY sent_at, update_no LIMIT $2

-- set_on_topic --
UPDATE console.cad_events SET to_topic = false WHERE event_id = ANY($1)

-- endpoints --
SELECT e.endpoint_id, e.name, e.url, e.created_at, e.created_by, e.disabled_at, e.old_until, e.delivered, e.failed,
       e.given_up, e.last_success_at, e.last_failure_at, e.last_failure,
       w.waiting, w.oldest
FROM console.cad_endpoints e,
     LATERAL (SELECT count(*) AS waiting, min(v.sent_at) AS oldest
              FROM console.cad_deliveries d JOIN console.cad_events v USING (event_id)
              WHERE d.endpoint_id = e.endpoint_id AND d.delivered_at IS NULL) w
WHERE e.agency = $1 ORDER BY e.created_at, e.endpoint_id

-- put_endpoint --
INSERT INTO console.cad_endpoints (endpoint_id, agency, name, url, sealed, key_id, created_at, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- rotate_endpoint --
UPDATE console.cad_endpoints
SET old_sealed = sealed, old_key_id = key_id, old_until = $5, sealed = $3, key_id = $4
WHERE agency = $1 AND endpoint_id = $2 RETURNING endpoint_id

-- switch_endpoint --
UPDATE console.cad_endpoints SET disabled_at = CASE WHEN $3 THEN NULL ELSE coalesce(disabled_at, $4) END
WHERE agency = $1 AND endpoint_id = $2 RETURNING endpoint_id

-- forget_deliveries --
DELETE FROM console.cad_deliveries WHERE agency = $1 AND endpoint_id = $2 AND delivered_at IS NULL

-- due_endpoints --
SELECT DISTINCT d.endpoint_id FROM console.cad_deliveries d JOIN console.cad_endpoints e USING (endpoint_id)
WHERE d.delivered_at IS NULL AND d.next_at <= $1 AND e.disabled_at IS NULL

-- claim_deliveries --
-- whoever claims them has until $3; then another replica may try. What is new goes first
UPDATE console.cad_deliveries d SET next_at = $3, attempts = d.attempts + 1
FROM console.cad_events v
WHERE v.event_id = d.event_id AND d.endpoint_id = $1 AND d.event_id IN (
    SELECT w.event_id FROM console.cad_deliveries w JOIN console.cad_events x USING (event_id)
    WHERE w.endpoint_id = $1 AND w.delivered_at IS NULL AND w.next_at <= $2
    ORDER BY w.attempts, x.sent_at, x.update_no LIMIT $4 FOR UPDATE OF w SKIP LOCKED
)
RETURNING d.event_id, d.attempts, v.body, v.sent_at

-- endpoint_secrets --
SELECT url, sealed, key_id, old_sealed, old_key_id, old_until FROM console.cad_endpoints
WHERE endpoint_id = $1 AND disabled_at IS NULL

-- secrets_of_agency --
SELECT endpoint_id, name, sealed, key_id, old_sealed, old_key_id, old_until FROM console.cad_endpoints
WHERE agency = $1 AND disabled_at IS NULL

-- set_delivered --
UPDATE console.cad_deliveries SET delivered_at = $3 WHERE endpoint_id = $1 AND event_id = $2 AND delivered_at IS NULL
RETURNING event_id

-- set_next_try --
UPDATE console.cad_deliveries SET next_at = $3 WHERE endpoint_id = $1 AND event_id = $2 AND delivered_at IS NULL

-- count_success --
UPDATE console.cad_endpoints SET delivered = delivered + 1, last_success_at = $2 WHERE endpoint_id = $1

-- count_failure --
UPDATE console.cad_endpoints SET failed = failed + 1, last_failure_at = $2, last_failure = $3 WHERE endpoint_id = $1

-- count_given_up --
UPDATE console.cad_endpoints e SET given_up = e.given_up + g.number
FROM (SELECT d.endpoint_id, count(*) AS number FROM console.cad_deliveries d JOIN console.cad_events v USING (event_id)
      WHERE d.delivered_at IS NULL AND v.expires_at <= $1 GROUP BY d.endpoint_id) g
WHERE e.endpoint_id = g.endpoint_id RETURNING g.number

-- forget_events --
DELETE FROM console.cad_events WHERE expires_at <= $1

-- remove_events --
DELETE FROM console.cad_events WHERE agency = $1 AND hit_id = ANY ($2::text[])

-- remove_statuses --
DELETE FROM console.cad_statuses WHERE agency = $1 AND hit_id = ANY ($2::text[])
