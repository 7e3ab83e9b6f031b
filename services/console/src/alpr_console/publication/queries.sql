-- lock_guidelines --
SELECT pg_advisory_xact_lock(hashtext('console.guidelines'), hashtext($1))

-- put_guidelines --
INSERT INTO console.guidelines (agency, number, document, sha256, profile_version, made_by, made_name, made_at)
SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, $7 FROM console.guidelines WHERE agency = $1
RETURNING number

-- guidelines --
SELECT g.number, g.profile_version, encode(g.sha256, 'hex') AS sha256, g.made_name, g.made_at,
       a.full_name AS approved_by, a.title AS approved_title, a.acted_at AS approved_at,
       p.full_name AS published_by, p.acted_at AS published_at
FROM console.guidelines g
LEFT JOIN console.guideline_acts a ON a.agency = g.agency AND a.number = g.number AND a.act = 'approved'
LEFT JOIN console.guideline_acts p ON p.agency = g.agency AND p.number = g.number AND p.act = 'published'
WHERE g.agency = $1 ORDER BY g.number DESC

-- guideline_document --
SELECT document FROM console.guidelines WHERE agency = $1 AND number = $2

-- put_act --
INSERT INTO console.guideline_acts (agency, number, act, person_id, full_name, title, delegation_id, acted_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING number

-- served_agencies --
SELECT DISTINCT agency FROM console.people WHERE disabled_at IS NULL ORDER BY agency
