-- incidents_held --
-- the incidents of a hit, its own and a storm announced with it, with their owners
SELECT i.incident_id, i.owner_id, i.owner_name, i.owned_since FROM console.incidents i
WHERE i.agency = $1 AND i.incident_id IN (
    SELECT n.incident_id FROM console.notifications n
    WHERE n.agency = $1 AND n.hit_id = $2 AND n.client_kind = 'dispatch_console')
ORDER BY i.incident_id

-- own --
UPDATE console.incidents
SET owner_id = $3, owner_name = $4, owned_since = $5, left_at = NULL,
    acknowledged_at = coalesce(acknowledged_at, $5),
    acknowledged_by = CASE WHEN acknowledged_at IS NULL THEN $4 ELSE acknowledged_by END
WHERE agency = $1 AND incident_id = ANY ($2::text[])

-- on_duty --
-- signed in: used within half an hour, after which a screen locks, or showing the queue now
SELECT p.person_id, p.full_name, p.roles, coalesce(bool_or(s.watched_at > $3), false) AS watching, true AS signed_in
FROM console.people p JOIN console.sessions s USING (person_id)
WHERE p.agency = $1 AND p.disabled_at IS NULL AND s.ended_at IS NULL AND (s.last_seen_at > $2 OR s.watched_at > $3)
GROUP BY p.person_id, p.full_name, p.roles ORDER BY p.full_name, p.person_id

-- has_dispatchers --
SELECT EXISTS (SELECT 1 FROM console.people
               WHERE agency = $1 AND 'dispatcher' = ANY(roles) AND disabled_at IS NULL)

-- last_watched --
SELECT max(least(s.watched_at, s.ended_at)) FROM console.people p JOIN console.sessions s USING (person_id)
WHERE p.agency = $1 AND 'dispatcher' = ANY (p.roles)

-- open_incidents --
-- of the last day; and whatever $4 holds, recalled, or older and still worked on
SELECT i.incident_id, i.hit_id, i.opened_at, i.owner_id, i.owned_since, i.escalated_at, i.left_at, i.revision, n.status,
       n.place, h.card ->> 'device_kind' AS device_kind, h.card ->> 'reason_words' AS reason_words,
       (SELECT bool_or(a.audible) FROM console.notifications a
        WHERE a.incident_id = i.incident_id AND a.client_kind = 'dispatch_console') AS audible
FROM console.incidents i JOIN console.notifications n USING (notification_id) JOIN console.hits h ON h.hit_id = i.hit_id
WHERE i.agency = $1 AND i.expires_at > $3 AND (
    i.opened_at > $2 AND n.kind <> 'recall'
    OR i.owner_id = $4 AND $4 <> '' AND (i.opened_at > $2 OR console.work_open($1, i.hit_id)))
ORDER BY i.opened_at, i.incident_id

-- escalate --
UPDATE console.incidents SET escalated_at = $3
WHERE agency = $1 AND incident_id = $2 AND owner_id = '' AND escalated_at IS NULL RETURNING incident_id

-- owner_left --
UPDATE console.incidents SET left_at = $3, escalated_at = coalesce(escalated_at, $3)
WHERE agency = $1 AND incident_id = $2 AND owner_id = $4 AND left_at IS NULL RETURNING incident_id

-- shown --
SELECT hit_id FROM console.incidents WHERE agency = $1 AND shown_at > $2 ORDER BY shown_at, hit_id

-- tasks_due --
SELECT t.task_id AS about, t.hit_id, t.kind, n.incident_id, n.revision, n.status, n.audible FROM console.tasks t
JOIN LATERAL (
    SELECT x.incident_id, x.revision, x.status, x.audible FROM console.notifications x
    WHERE x.agency = t.agency AND x.hit_id = t.hit_id AND x.kind IN ('hit', 'update')
    ORDER BY x.revision DESC, x.client_kind LIMIT 1
) n ON true
WHERE t.agency = $1 AND t.due_at <= $2 AND t.closed_at IS NULL AND t.escalated_at IS NULL ORDER BY t.due_at, t.task_id

-- task_told --
UPDATE console.tasks SET escalated_at = $3
WHERE agency = $1 AND task_id = $2 AND closed_at IS NULL AND escalated_at IS NULL RETURNING task_id

-- overdue --
UPDATE console.incidents SET overdue_at = coalesce(overdue_at, $3) WHERE agency = $1 AND incident_id = $2

-- put_handover --
INSERT INTO console.handovers (handover_id, agency, from_id, from_name, to_id, to_name, note, offered_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING handover_id

-- handovers_open --
SELECT handover_id, from_id, from_name, to_id, to_name, note, offered_at,
       (SELECT count(*) FROM console.incidents i
        WHERE i.agency = h.agency AND i.owner_id = h.from_id AND i.expires_at > $4
          AND (i.opened_at > $3 OR console.work_open(i.agency, i.hit_id))) AS hits
FROM console.handovers h
WHERE agency = $1 AND $2 IN (from_id, to_id) AND accepted_at IS NULL AND withdrawn_at IS NULL ORDER BY offered_at

-- accept_handover --
UPDATE console.handovers SET accepted_at = $4
WHERE agency = $1 AND handover_id = $2 AND to_id = $3 AND accepted_at IS NULL AND withdrawn_at IS NULL
RETURNING from_id, from_name, note

-- handed_over --
UPDATE console.handovers SET incidents = $3 WHERE agency = $1 AND handover_id = $2

-- withdraw_handover --
UPDATE console.handovers SET withdrawn_at = $4
WHERE agency = $1 AND handover_id = $2 AND $3 IN (from_id, to_id) AND accepted_at IS NULL AND withdrawn_at IS NULL
RETURNING handover_id

-- purge_handovers --
DELETE FROM console.handovers WHERE expires_at <= $1

-- unattended --
SELECT began_at, alarmed_at FROM console.unattended WHERE agency = $1 AND ended_at IS NULL

-- begin_unattended --
INSERT INTO console.unattended (agency, began_at) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- alarm_unattended --
UPDATE console.unattended SET alarmed_at = $2 WHERE agency = $1 AND ended_at IS NULL AND alarmed_at IS NULL
RETURNING began_at

-- end_unattended --
UPDATE console.unattended SET ended_at = $2 WHERE agency = $1 AND ended_at IS NULL RETURNING began_at, alarmed_at
