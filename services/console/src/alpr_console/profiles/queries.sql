-- lock_agency --
SELECT pg_advisory_xact_lock(hashtext('console.profiles'), hashtext($1))

-- put_document --
INSERT INTO console.profile_versions (agency, version, document, effective_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (agency, version) DO NOTHING

-- in_force --
SELECT DISTINCT ON (f.agency) f.agency, f.place, f.number, f.version, f.effective_at
FROM console.profile_in_force f ORDER BY f.agency, f.place DESC

-- agency_in_force --
SELECT f.place, f.number, f.version, f.effective_at, v.document
FROM console.profile_in_force f JOIN console.profile_versions v USING (agency, version)
WHERE f.agency = $1 ORDER BY f.place DESC LIMIT 1

-- put_in_force --
INSERT INTO console.profile_in_force (agency, place, number, version, effective_at, put_at)
SELECT $1, coalesce(max(place), 0) + 1, $2, $3, $4, $5 FROM console.profile_in_force WHERE agency = $1

-- document_of --
SELECT document FROM console.profile_versions WHERE agency = $1 AND version = $2

-- put_draft --
INSERT INTO console.profile_drafts
    (agency, number, version, document, based_on, note, author_id, author_name, author_title, written_at)
SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9 FROM console.profile_drafts WHERE agency = $1
RETURNING number

-- put_decision --
INSERT INTO console.profile_decisions
    (agency, number, decision, person_id, full_name, title, delegation_id, decided_at, effective_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- drafts --
SELECT d.number, d.version, d.based_on, d.note, d.author_id, d.author_name, d.author_title, d.written_at,
       a.person_id AS approver_id, a.full_name AS approver_name, a.title AS approver_title, a.decided_at AS approved_at,
       a.effective_at, a.delegation_id, w.full_name AS withdrawn_by, w.decided_at AS withdrawn_at, f.place, f.put_at
FROM console.profile_drafts d
LEFT JOIN console.profile_decisions a
    ON a.agency = d.agency AND a.number = d.number AND a.decision = 'approved'
LEFT JOIN console.profile_decisions w
    ON w.agency = d.agency AND w.number = d.number AND w.decision = 'withdrawn'
LEFT JOIN console.profile_in_force f ON f.agency = d.agency AND f.number = d.number
WHERE d.agency = $1 ORDER BY d.number DESC

-- known_since --
SELECT effective_at FROM console.profile_versions WHERE agency = $1 AND version = $2

-- draft_document --
SELECT document FROM console.profile_drafts WHERE agency = $1 AND number = $2

-- history --
SELECT place, number, version, effective_at, put_at FROM console.profile_in_force WHERE agency = $1 ORDER BY place DESC

-- in_force_since --
SELECT version FROM (
    SELECT version, lead(put_at) OVER (ORDER BY place) AS until FROM console.profile_in_force WHERE agency = $1
) f WHERE until IS NULL OR until > $2

-- due --
SELECT d.agency, d.number, d.version, a.effective_at, a.person_id, a.full_name,
       coalesce(p.username, '') AS username, coalesce(p.organization, '') AS organization
FROM console.profile_drafts d
JOIN console.profile_decisions a ON a.agency = d.agency AND a.number = d.number AND a.decision = 'approved'
LEFT JOIN console.people p ON p.person_id = a.person_id
WHERE d.agency = coalesce($1, d.agency) AND a.effective_at <= $2
  AND NOT EXISTS (SELECT 1 FROM console.profile_in_force f WHERE f.agency = d.agency AND f.number = d.number)
  AND NOT EXISTS (
      SELECT 1 FROM console.profile_decisions w
      WHERE w.agency = d.agency AND w.number = d.number AND w.decision = 'withdrawn')
ORDER BY a.effective_at, d.number

-- count_managers --
SELECT count(*) FROM console.program_managers WHERE agency = $1
