-- work_of --
SELECT console.work_of($1, $2) AS work_id

-- lock_work --
SELECT console.lock_work($1)

-- cards_of --
SELECT h.hit_id, h.card, h.matched_at > $3 OR console.work_open($1, h.hit_id) AS live
FROM console.hits h WHERE h.agency = $1 AND h.hit_id = ANY($2)

-- shown_at --
SELECT coalesce(
    (SELECT t.opened_at FROM console.tasks t WHERE t.agency = $1 AND t.hit_id = $2 AND t.kind = 'broadcast'
     ORDER BY t.opened_at LIMIT 1),
    (SELECT min(p.presented_at) FROM console.presented p WHERE p.agency = $1 AND p.hit_id = ANY($3)))

-- steps --
SELECT s.step_id, s.hit_id, s.work_id, s.step_no, s.step, s.kind, s.given, s.client_kind, s.roles, s.person_id,
       s.full_name, s.override_reason, s.overridden, s.unverified, s.profile_version, s.done_at,
       t.verification_id IS NOT NULL AS has_text,
       (SELECT jsonb_build_object('state', c.state, 'verification_id', c.verification_id) FROM console.call_states c
        WHERE c.agency = s.agency AND c.call_id = s.step_id ORDER BY c.state_no DESC LIMIT 1) AS call_state
FROM console.hit_steps s LEFT JOIN console.verification_texts t ON t.verification_id = s.step_id
WHERE s.agency = $1 AND s.work_id = ANY($2) ORDER BY s.step_no

-- put_step --
INSERT INTO console.hit_steps
    (step_id, agency, hit_id, work_id, step_no, step, kind, given, client_kind, roles, person_id, full_name,
     override_reason, overridden, unverified, profile_version, done_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)

-- put_call_state --
INSERT INTO console.call_states (call_id, state_no, agency, state, verification_id, person_id, full_name, set_at)
SELECT $1, coalesce(max(c.state_no), 0) + 1, $2, $3, $4, $5, $6, $7
FROM console.call_states c WHERE c.agency = $2 AND c.call_id = $1
RETURNING state_no

-- tasks --
SELECT task_id, hit_id, kind, opened_at, due_at, closed_at, escalated_at FROM console.tasks
WHERE agency = $1 AND hit_id = ANY($2) ORDER BY opened_at, task_id

-- put_task --
INSERT INTO console.tasks (task_id, agency, hit_id, kind, opened_at, due_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING

-- close_task --
UPDATE console.tasks SET closed_at = $3 WHERE agency = $1 AND task_id = $2 AND closed_at IS NULL

-- put_read_check --
INSERT INTO console.read_checks
    (hit_id, check_no, agency, read_id, device_id, camera_id, reader, result, method, state_confirmed, plate_text,
     corrected_text, person_id, full_name, checked_at, expires_at)
SELECT $1, coalesce(max(c.check_no), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
FROM console.read_checks c WHERE c.agency = $2 AND c.hit_id = $1

-- read_checks_of --
SELECT DISTINCT ON (hit_id) hit_id, result, method, state_confirmed, plate_text, corrected_text, full_name AS by,
       checked_at AS at
FROM console.read_checks WHERE agency = $1 AND hit_id = ANY($2) ORDER BY hit_id, check_no DESC

-- findings_of_device --
SELECT DISTINCT ON (read_id) result, plate_text, corrected_text FROM console.read_checks
WHERE agency = $1 AND device_id = $2 AND reader = $3 ORDER BY read_id, checked_at DESC, check_no DESC

-- put_verification --
INSERT INTO console.verifications
    (verification_id, agency, hit_id, source, route, result, reference, override_reason, person_id, full_name,
     profile_version, verified_at, expires_at, adapter, test)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)

-- put_verification_text --
INSERT INTO console.verification_texts (verification_id, agency, sealed, key_id) VALUES ($1, $2, $3, $4)

-- verifications --
SELECT v.verification_id, v.hit_id, v.source, v.route, v.result, v.reference, v.full_name, v.profile_version,
       v.verified_at, v.adapter, v.test, t.verification_id IS NOT NULL AS has_text
FROM console.verifications v JOIN console.hit_steps s ON s.step_id = v.verification_id
LEFT JOIN console.verification_texts t USING (verification_id)
WHERE v.agency = $1 AND s.agency = $1 AND s.work_id = console.work_of($1, $2) ORDER BY s.step_no

-- verifications_of_hits --
-- what databases said of these hits and of those worked with them
SELECT h.hit_id, v.verification_id, v.source, v.result, v.verified_at, v.full_name, t.sealed, t.key_id
FROM unnest($2::text[]) AS h (hit_id) JOIN console.hit_steps s ON s.work_id = console.work_of($1, h.hit_id)
JOIN console.verifications v ON v.verification_id = s.step_id
LEFT JOIN console.verification_texts t USING (verification_id)
WHERE v.agency = $1 AND s.agency = $1 ORDER BY h.hit_id, s.step_no

-- verification_text --
SELECT sealed, key_id FROM console.verification_texts WHERE agency = $1 AND verification_id = $2

-- incident_of_work --
SELECT i.incident_id, i.revision, n.status
FROM console.incidents i JOIN console.notifications n USING (notification_id)
WHERE i.agency = $1 AND i.incident_id = (
    SELECT f.incident_id FROM console.notifications f
    WHERE f.agency = $1 AND f.hit_id = $2 AND f.client_kind = 'dispatch_console' AND f.kind IN ('hit', 'update', 'recall')
    ORDER BY f.revision DESC LIMIT 1)

-- owner_of --
SELECT i.owner_name, i.owned_since FROM console.incidents i
WHERE i.agency = $1 AND i.owner_id <> '' AND i.incident_id IN (
    SELECT n.incident_id FROM console.notifications n
    WHERE n.agency = $1 AND n.hit_id = $2 AND n.client_kind = 'dispatch_console')
LIMIT 1

-- works_of --
SELECT h.hit_id, h.work_id, f.card FROM (
    SELECT unnest($2::text[]) AS hit_id) AS asked
CROSS JOIN LATERAL (SELECT asked.hit_id, console.work_of($1, asked.hit_id) AS work_id) AS h
JOIN console.hits f ON f.agency = $1 AND f.hit_id = h.work_id

-- document_of --
SELECT document FROM console.profile_versions WHERE agency = $1 AND version = $2

-- editions --
SELECT edition FROM console.step_editions WHERE agency = $1 AND profile_version = $2 ORDER BY place

-- put_edition --
INSERT INTO console.step_editions (agency, profile_version, place, edition, put_at) VALUES ($1, $2, $3, $4, $5)

-- put_needs --
INSERT INTO console.step_needs (agency, profile_version, edition, device_kind, client_kind, step, needs)
SELECT $1, $2, $3, n.device_kind, n.client_kind, n.step, n.needs
FROM jsonb_to_recordset($4) AS n (device_kind text, client_kind text, step text, needs jsonb)
ON CONFLICT DO NOTHING

-- remove_steps --
DELETE FROM console.hit_steps WHERE agency = $1 AND hit_id = ANY ($2::text[])

-- remove_verifications --
DELETE FROM console.verifications WHERE agency = $1 AND hit_id = ANY ($2::text[])

-- remove_tasks --
DELETE FROM console.tasks WHERE agency = $1 AND hit_id = ANY ($2::text[])

-- remove_read_checks --
-- the texts go with their record; that a device misread stays
UPDATE console.read_checks SET plate_text = NULL, corrected_text = NULL
WHERE agency = $1 AND hit_id = ANY ($2::text[]) AND plate_text IS NOT NULL
