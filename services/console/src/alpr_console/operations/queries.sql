-- open_pursuit --
INSERT INTO console.pursuits (pursuit_id, agency, unit, device_id, opened_by, opened_name, opened_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- lock_pursuit --
SELECT pursuit_id, unit, device_id FROM console.pursuits
WHERE agency = $1 AND pursuit_id = $2 AND closed_at IS NULL FOR UPDATE

-- put_event --
INSERT INTO console.pursuit_events (pursuit_id, agency, kind, full_name, logged_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING kind

-- put_prompt --
INSERT INTO console.prompts (prompt_id, agency, pursuit_id, target, client_kind, kind, words, made_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- close_pursuit --
UPDATE console.pursuits SET outcome = $3, reason = $4, closed_by = $5, closed_name = $6, closed_at = $7
WHERE agency = $1 AND pursuit_id = $2 AND closed_at IS NULL RETURNING pursuit_id

-- pursuits --
SELECT p.pursuit_id, p.unit, p.device_id, p.opened_name, p.opened_at, p.outcome, p.reason, p.closed_name, p.closed_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object('kind', e.kind, 'at', e.logged_at, 'by', e.full_name)
                                  ORDER BY e.logged_at) FROM console.pursuit_events e
                 WHERE e.pursuit_id = p.pursuit_id), '[]') AS events,
       coalesce((SELECT jsonb_agg(jsonb_build_object('target', n.target, 'client_kind', n.client_kind, 'kind', n.kind,
                                                     'words', n.words, 'at', n.made_at)
                                  ORDER BY n.made_at, n.client_kind) FROM console.prompts n
                 WHERE n.pursuit_id = p.pursuit_id), '[]') AS prompts
FROM console.pursuits p WHERE p.agency = $1 ORDER BY p.closed_at IS NOT NULL, p.opened_at DESC LIMIT 200

-- put_deployment --
INSERT INTO console.deployments
    (deployment_id, agency, kind, device_id, place, purpose_code, approval_id, starts_at, ends_at, author_id,
     author_name, made_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- end_deployment --
UPDATE console.deployments SET ended_at = $3, ended_name = $4
WHERE agency = $1 AND deployment_id = $2 AND ended_at IS NULL RETURNING deployment_id

-- deployments --
SELECT deployment_id, kind, device_id, place, purpose_code, approval_id, starts_at, ends_at, author_name, made_at,
       ended_at, ended_name
FROM console.deployments WHERE agency = $1 ORDER BY ended_at IS NOT NULL, starts_at DESC LIMIT 200
