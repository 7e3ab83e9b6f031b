-- standing --
SELECT console.standing($1, $2)

-- find_person --
SELECT person_id, username, full_name, roles FROM console.people WHERE agency = $1 AND username = $2

-- standings --
SELECT username, full_name, suspended, console.standing(person_id, $2) AS standing
FROM console.people WHERE agency = $1 AND disabled_at IS NULL ORDER BY full_name, username

-- courses --
SELECT course_id, name, version, tags, valid_days, created_at, approved_by, approved_at
FROM console.courses WHERE agency = $1 AND name <> $2 ORDER BY name, created_at DESC

-- course --
SELECT course_id, name, version, tags, valid_days, approved_at FROM console.courses
WHERE agency = $1 AND course_id = $2 AND name <> $3

-- put_course --
INSERT INTO console.courses (course_id, agency, name, version, tags, valid_days, created_by, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING course_id

-- put_attested_course --
INSERT INTO console.courses
    (course_id, agency, name, version, tags, created_by, created_at, approved_by, approved_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $6, $7) ON CONFLICT DO NOTHING RETURNING course_id

-- approve_course --
UPDATE console.courses SET approved_by = $3, approved_at = $4
WHERE agency = $1 AND course_id = $2 AND approved_at IS NULL RETURNING course_id

-- put_record --
INSERT INTO console.training_records
    (record_id, agency, person_id, course_id, context, completed_on, expires_on, trainer, passed, recorded_by,
     recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING RETURNING record_id

-- put_session --
INSERT INTO console.training_sessions
    (session_id, agency, course_id, starts_at, place, invited, planned_by, planned_at)
SELECT $1, $2, $3, $4, $5, array_agg(person_id), $7, $8 FROM console.people
WHERE agency = $2 AND username = ANY($6) AND disabled_at IS NULL HAVING count(*) = cardinality($6::text[])
RETURNING session_id

-- sessions --
SELECT s.session_id, c.name, c.version, s.starts_at, s.place, s.planned_by,
       (SELECT array_agg(p.full_name ORDER BY p.full_name) FROM console.people p
        WHERE p.person_id = ANY(s.invited)) AS invited
FROM console.training_sessions s JOIN console.courses c USING (course_id)
WHERE s.agency = $1 AND s.starts_at > $2 AND ($3::text IS NULL OR $3 = ANY(s.invited)) ORDER BY s.starts_at

-- put_certification --
INSERT INTO console.certifications
    (certification_id, agency, person_id, kind, issuer, expires_on, recorded_by, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING certification_id

-- put_clearance --
INSERT INTO console.clearances
    (clearance_id, agency, person_id, contract_id, contract_end, live_scan_on, no_convictions, waiver_sha256, waiver_on,
     recorded_by, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING RETURNING clearance_id

-- put_reading --
INSERT INTO console.policy_readings (agency, person_id, version, read_at, method, recorded_by)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING

-- records_of --
SELECT c.name, c.version, c.tags, c.approved_at, r.context, r.completed_on, r.expires_on, r.trainer, r.passed,
       r.recorded_by, r.recorded_at
FROM console.training_records r JOIN console.courses c USING (course_id)
WHERE r.agency = $1 AND r.person_id = $2 ORDER BY r.completed_on DESC, r.recorded_at DESC

-- certifications_of --
SELECT kind, issuer, expires_on, recorded_by, recorded_at FROM console.certifications
WHERE agency = $1 AND person_id = $2 ORDER BY expires_on DESC

-- readings_of --
SELECT version, read_at, method, recorded_by FROM console.policy_readings
WHERE agency = $1 AND person_id = $2 ORDER BY read_at DESC LIMIT 20

-- units_of --
SELECT unit_id, device_id, starts_at, ended_at, assigned_by FROM console.unit_assignments
WHERE agency = $1 AND person_id = $2 ORDER BY starts_at DESC

-- put_unit --
INSERT INTO console.unit_assignments (unit_id, agency, person_id, device_id, starts_at, assigned_by)
VALUES ($1, $2, $3, $4, $5, $6)

-- end_unit --
UPDATE console.unit_assignments SET ended_at = $3
WHERE agency = $1 AND unit_id = $2 AND ended_at IS NULL RETURNING person_id

-- put_device_session --
INSERT INTO console.device_sessions (device_session_id, agency, person_id, device_id, started_at, unit, shift)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- end_device_session --
UPDATE console.device_sessions SET ended_at = $4
WHERE agency = $1 AND device_session_id = $2 AND person_id = $3 AND ended_at IS NULL RETURNING device_session_id

-- active_people --
SELECT person_id, username, full_name, organization, agency, roles, suspended, console.standing(person_id, $1) AS standing
FROM console.people WHERE activated_at IS NOT NULL AND disabled_at IS NULL

-- set_suspended --
UPDATE console.people SET suspended = $3 WHERE agency = $1 AND person_id = $2 AND suspended <> $3 RETURNING person_id
