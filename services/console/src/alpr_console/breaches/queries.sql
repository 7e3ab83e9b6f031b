-- put_breach --
INSERT INTO console.breaches
    (incident_id, agency, kind, title, description, discovered_at, occurred_from, occurred_to, affected, policy,
     profile_version, opened_by, opened_name, opened_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10, $11, $12, $13, $14)

-- put_task --
INSERT INTO console.breach_tasks (task_id, incident_id, agency, number, code, words, role, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- put_notice --
INSERT INTO console.breach_notices (notice_id, incident_id, agency, role, words, raised_at)
VALUES ($1, $2, $3, $4, $5, $6)

-- put_entry --
INSERT INTO console.breach_entries (entry_id, incident_id, agency, at, person_id, full_name, words)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- lock_breach --
SELECT incident_id FROM console.breaches WHERE agency = $1 AND incident_id = $2 FOR UPDATE

-- breaches --
SELECT b.incident_id, b.kind, b.title, b.description, b.discovered_at, b.occurred_from, b.occurred_to, b.affected,
       b.counts, b.policy, b.opened_by, b.opened_name, b.opened_at, b.closed_at, b.closed_name
FROM console.breaches b
WHERE b.agency = $1 AND ($2::text IS NULL OR b.incident_id = $2)
ORDER BY b.closed_at IS NOT NULL, b.opened_at DESC, b.incident_id LIMIT 200

-- tasks_of --
SELECT task_id, incident_id, code, words, role, due_at, done_at, done_by, done_name, note FROM console.breach_tasks
WHERE agency = $1 AND incident_id = ANY ($2::text[]) ORDER BY incident_id, number

-- notices_of --
SELECT notice_id, incident_id, role, words, raised_at, seen_at, seen_by, seen_name FROM console.breach_notices
WHERE agency = $1 AND incident_id = ANY ($2::text[]) ORDER BY incident_id, role

-- entries_of --
SELECT incident_id, at, person_id AS by, full_name AS name, words FROM console.breach_entries
WHERE agency = $1 AND incident_id = ANY ($2::text[]) ORDER BY incident_id, at, entry_id

-- notices_for --
SELECT notice_id, incident_id, role, words, raised_at FROM console.breach_notices
WHERE agency = $1 AND role = ANY ($2::text[]) AND seen_at IS NULL ORDER BY raised_at DESC LIMIT 50

-- waiting_for --
SELECT incident_id, words, NULL::timestamptz AS due_at FROM console.breach_notices
WHERE agency = $1 AND role = ANY ($2::text[]) AND seen_at IS NULL
UNION ALL
SELECT b.incident_id, t.words, t.due_at
FROM console.breaches b JOIN console.breach_tasks t ON t.agency = b.agency AND t.incident_id = b.incident_id
WHERE b.agency = $1 AND b.closed_at IS NULL AND t.role = ANY ($2::text[]) AND t.done_at IS NULL
ORDER BY due_at NULLS FIRST LIMIT 50

-- do_task --
UPDATE console.breach_tasks SET done_at = $4, done_by = $5, done_name = $6, note = $7
WHERE agency = $1 AND incident_id = $2 AND task_id = $3 RETURNING code

-- see_notice --
UPDATE console.breach_notices SET seen_at = $4, seen_by = $5, seen_name = $6
WHERE agency = $1 AND notice_id = $2 AND role = ANY ($3::text[]) AND seen_at IS NULL RETURNING incident_id

-- keep_counts --
UPDATE console.breaches SET counts = $3::jsonb WHERE agency = $1 AND incident_id = $2

-- close_breach --
UPDATE console.breaches SET closed_at = $3, closed_name = $4 WHERE agency = $1 AND incident_id = $2
