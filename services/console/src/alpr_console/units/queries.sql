-- sign_on --
INSERT INTO console.clients
    (client_id, agency, session_id, person_id, client_kind, unit, shift, device_id, device_session_id, signed_on_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- sign_off --
UPDATE console.clients SET signed_off_at = $3, off_reason = $4
WHERE session_id = $1 AND agency = $2 AND signed_off_at IS NULL
RETURNING client_id, client_kind, unit, device_session_id

-- signed_on --
-- only living sessions of people who may sign in: whoever is disabled is told nothing more (HIT-04)
SELECT c.client_id, c.session_id, c.client_kind, c.unit, c.person_id, p.roles
FROM console.clients c JOIN console.sessions s USING (session_id) JOIN console.people p ON p.person_id = c.person_id
WHERE c.agency = $1 AND c.signed_off_at IS NULL AND s.ended_at IS NULL AND p.disabled_at IS NULL
ORDER BY c.client_id

-- left_behind --
SELECT c.agency, c.session_id, c.client_id, c.client_kind, c.unit, c.device_session_id,
       coalesce(s.ended_at, p.disabled_at, $1) AS ended_at,
       CASE WHEN p.disabled_at IS NOT NULL THEN 'disabled' WHEN s.end_reason <> '' THEN s.end_reason
            ELSE 'session_over' END AS reason,
       p.person_id, p.username, p.full_name, p.organization, p.roles, coalesce(s.source_ip, '') AS source_ip
FROM console.clients c JOIN console.people p ON p.person_id = c.person_id
LEFT JOIN console.sessions s ON s.session_id = c.session_id
WHERE c.signed_off_at IS NULL
  AND (s.session_id IS NULL OR s.ended_at IS NOT NULL OR p.disabled_at IS NOT NULL OR s.last_seen_at < $2)
ORDER BY c.client_id

-- next_number --
INSERT INTO console.event_numbers (agency, last_no) VALUES ($1, 1)
ON CONFLICT (agency) DO UPDATE SET last_no = event_numbers.last_no + 1
RETURNING last_no

-- last_number --
SELECT last_no FROM console.event_numbers WHERE agency = $1

-- wake --
SELECT pg_notify('console_events', $1)

-- put_delivery --
INSERT INTO console.deliveries
    (delivery_id, agency, event_no, client_id, session_id, client_kind, unit, notification_id, revision, kind, incident_id,
     hit_id, audible, screen_text, content, notified_at, stored_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ON CONFLICT (delivery_id) DO NOTHING

-- changed_for --
-- what changed for a session after an event number: incidents that it was told of, and what it was told itself
SELECT max(event_no) AS event_no, incident_id, delivery_id FROM (
    SELECT e.event_no, e.incident_id, '' AS delivery_id FROM console.events e
    WHERE e.agency = $1 AND e.event_no > $3
      AND EXISTS (SELECT 1 FROM console.deliveries d
                  WHERE d.session_id = $2 AND d.incident_id = e.incident_id AND d.kind <> ALL($4))
    UNION ALL
    SELECT d.event_no, CASE WHEN d.kind = ANY($4) THEN '' ELSE d.incident_id END,
           CASE WHEN d.kind = ANY($4) THEN d.delivery_id ELSE '' END
    FROM console.deliveries d WHERE d.agency = $1 AND d.session_id = $2 AND d.event_no > $3
    ORDER BY event_no LIMIT $5
) AS next_events GROUP BY incident_id, delivery_id ORDER BY event_no

-- incidents_for --
SELECT incident_id FROM console.deliveries
WHERE agency = $1 AND session_id = $2 AND kind <> ALL($3) AND stored_at > $4
GROUP BY incident_id ORDER BY max(event_no) DESC LIMIT $5

-- of_incidents --
SELECT incident_id, delivery_id, kind, revision, audible, delivered_at, presented_at, acknowledged_at
FROM console.deliveries
WHERE agency = $1 AND session_id = $2 AND incident_id = ANY($3) AND kind <> ALL($4) ORDER BY event_no

-- messages_for --
SELECT * FROM (
    SELECT delivery_id, kind, revision, incident_id, hit_id, audible, screen_text, content, notified_at, presented_at,
           acknowledged_at, event_no
    FROM console.deliveries
    WHERE agency = $1 AND session_id = $2 AND kind = ANY($3) AND stored_at > $4
      AND ($5::text[] IS NULL OR delivery_id = ANY($5))
    ORDER BY event_no DESC LIMIT $6
) AS newest ORDER BY event_no

-- set_delivered --
UPDATE console.deliveries SET delivered_at = $4
WHERE agency = $1 AND session_id = $2 AND delivered_at IS NULL
  AND (incident_id = ANY($3) AND kind <> ALL($5) OR delivery_id = ANY($6))

-- set_dispatched --
UPDATE console.notifications SET delivered_at = $3
WHERE agency = $1 AND incident_id = ANY($2) AND client_kind = 'dispatch_console' AND delivered_at IS NULL

-- set_presented --
UPDATE console.deliveries SET presented_at = $4, sound = $5, screen = $6, delivered_at = coalesce(delivered_at, $4)
WHERE agency = $1 AND session_id = $2 AND delivery_id = $3 AND presented_at IS NULL
RETURNING hit_id, kind

-- has_delivery --
SELECT true FROM console.deliveries WHERE agency = $1 AND session_id = $2 AND delivery_id = $3

-- set_acknowledged --
-- this message, and what came before it about the same incident
UPDATE console.deliveries d SET acknowledged_at = $4
FROM console.deliveries o
WHERE o.agency = $1 AND o.session_id = $2 AND o.delivery_id = $3 AND d.agency = $1 AND d.session_id = $2
  AND d.acknowledged_at IS NULL
  AND (d.delivery_id = o.delivery_id
       OR d.incident_id = o.incident_id AND d.event_no < o.event_no AND o.kind <> ALL($5) AND d.kind <> ALL($5))
RETURNING d.delivery_id, d.hit_id, d.incident_id, d.kind

-- notifications_of --
-- one row for each target: the dispatch console as one, and each client that was signed on
SELECT n.notification_id, n.target, n.client_kind, '' AS unit, n.kind, n.revision, n.audible, n.notified_at,
       n.delivered_at, i.shown_at AS presented_at, i.acknowledged_at
FROM console.notifications n LEFT JOIN console.incidents i USING (incident_id)
WHERE n.agency = $1 AND n.hit_id = $2 AND n.client_kind = 'dispatch_console'
UNION ALL
SELECT d.notification_id, d.client_id, d.client_kind, d.unit, d.kind, d.revision, d.audible, d.notified_at,
       d.delivered_at, d.presented_at, d.acknowledged_at
FROM console.deliveries d WHERE d.agency = $1 AND d.hit_id = $2
ORDER BY notified_at, client_kind, target

-- told --
SELECT hit_id, count(*) AS sent, count(presented_at) AS presented,
       array_agg(DISTINCT unit) FILTER (WHERE acknowledged_at IS NOT NULL) AS acknowledged
FROM console.deliveries WHERE agency = $1 AND hit_id = ANY($2) AND kind <> ALL($3) GROUP BY hit_id

-- clients_of_unit --
SELECT c.client_id, c.session_id, c.client_kind, c.unit, c.person_id, p.roles
FROM console.clients c JOIN console.sessions s USING (session_id) JOIN console.people p ON p.person_id = c.person_id
WHERE c.agency = $1 AND c.unit = $2 AND c.signed_off_at IS NULL AND s.ended_at IS NULL AND p.disabled_at IS NULL
ORDER BY c.client_id

-- remove_deliveries --
DELETE FROM console.deliveries WHERE agency = $1 AND hit_id = ANY ($2::text[])

-- forget_clients --
DELETE FROM console.clients c
WHERE c.signed_off_at <= $1 AND NOT EXISTS (SELECT 1 FROM console.deliveries d WHERE d.client_id = c.client_id)

-- missed --
-- numbers of deliveries leave gaps between events: a snapshot too many costs nothing
SELECT coalesce((SELECT last_no FROM console.event_numbers WHERE agency = $1), 0) > $2
   AND coalesce((SELECT min(event_no) FROM console.events WHERE agency = $1), $2 + 2) > $2 + 1
