-- accounts --
SELECT p.person_id, p.username, p.full_name, p.organization, p.employee_id, p.category, p.job_title, p.roles, p.grants,
       p.created_by, p.created_at, p.activated_at, p.credentials_at, p.last_login_at, p.disabled_at, p.disabled_reason,
       p.suspended, p.leaves_on,
       CASE WHEN p.disabled_at IS NOT NULL THEN 'disabled' WHEN p.activated_at IS NULL THEN 'created' ELSE 'active' END
       AS state,
       (SELECT count(*) FROM console.sessions s WHERE s.person_id = p.person_id) AS sessions
FROM console.people p WHERE p.agency = $1 AND ($2::text IS NULL OR p.username = $2) ORDER BY p.full_name, p.username

-- active_twin --
SELECT username FROM console.people
WHERE agency = $1 AND employee_id = $2 AND disabled_at IS NULL AND username <> $3

-- lock_account --
SELECT full_name, organization, employee_id, category, job_title, roles, grants, disabled_at, leaves_on,
       CASE WHEN disabled_at IS NOT NULL THEN 'disabled' WHEN activated_at IS NULL THEN 'created' ELSE 'active' END
       AS state
FROM console.people WHERE agency = $1 AND person_id = $2 FOR UPDATE

-- put_account --
INSERT INTO console.people
    (person_id, username, full_name, organization, agency, roles, password_hash, created_at, employee_id, category,
     job_title, created_by, leaves_on)
VALUES ($1, $2, $3, $4, $5, $6, '', $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING RETURNING person_id

-- change_account --
UPDATE console.people
SET full_name = $3, organization = $4, employee_id = $5, category = $6, job_title = $7, roles = $8, leaves_on = $9
WHERE agency = $1 AND person_id = $2

-- vouch --
UPDATE console.people
SET employee_id = $3, category = $4, job_title = $5, activated_at = $6, credentials_at = $6
WHERE agency = $1 AND person_id = $2

-- activate --
UPDATE console.people SET activated_at = $3 WHERE agency = $1 AND person_id = $2

-- note_credentials --
UPDATE console.people SET credentials_at = $3 WHERE agency = $1 AND person_id = $2

-- set_state --
UPDATE console.people
SET disabled_at = $3, opened_at = CASE WHEN $3::timestamptz IS NULL THEN $4::timestamptz ELSE opened_at END, failures = 0,
    last_failure_at = NULL, locked_at = NULL, disabled_reason = CASE WHEN $3 IS NULL THEN '' ELSE $5 END,
    leaves_on = CASE WHEN $3 IS NULL THEN NULL ELSE leaves_on END
WHERE agency = $1 AND person_id = $2

-- end_sessions --
UPDATE console.sessions SET ended_at = $2, end_reason = $3 WHERE person_id = $1 AND ended_at IS NULL

-- set_grants --
UPDATE console.people SET grants = $3 WHERE agency = $1 AND person_id = $2

-- put_assignment --
INSERT INTO console.assignments (assignment_id, agency, person_id, scope, starts_at, ends_at, assigned_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- end_assignment --
UPDATE console.assignments SET ends_at = $3
WHERE agency = $1 AND assignment_id = $2 AND (ends_at IS NULL OR ends_at > $3) RETURNING person_id

-- assignments --
SELECT a.assignment_id, p.username, p.full_name, a.scope, a.starts_at, a.ends_at, a.assigned_by
FROM console.assignments a JOIN console.people p USING (person_id)
WHERE a.agency = $1 ORDER BY a.starts_at DESC

-- assigned --
SELECT EXISTS (SELECT 1 FROM console.assignments
    WHERE agency = $1 AND person_id = $2 AND scope = $3 AND starts_at <= $4 AND (ends_at IS NULL OR ends_at > $4))

-- put_delegation --
INSERT INTO console.delegations
    (delegation_id, agency, power, delegator_id, designee_id, designee_name, designee_title, starts_at, ends_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- end_delegation --
UPDATE console.delegations SET ends_at = $3 WHERE agency = $1 AND delegation_id = $2 AND ends_at > $3
RETURNING designee_id

-- delegations --
SELECT d.delegation_id, d.power, d.designee_id, d.designee_name, d.designee_title, d.starts_at, d.ends_at,
       g.username AS delegator, g.full_name AS delegator_name, p.username AS designee, d.delegator_id,
       CASE WHEN g.disabled_at IS NULL THEN g.roles ELSE '{}' END AS delegator_roles
FROM console.delegations d
JOIN console.people g ON g.person_id = d.delegator_id
JOIN console.people p ON p.person_id = d.designee_id
WHERE d.agency = $1 ORDER BY d.starts_at DESC

-- open_cycle --
INSERT INTO console.review_cycles (cycle_id, agency, period, opened_at, due_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING cycle_id

-- fill_cycle --
INSERT INTO console.review_accounts (cycle_id, agency, person_id)
SELECT $2, agency, person_id FROM console.people WHERE agency = $1 AND disabled_at IS NULL
ON CONFLICT DO NOTHING

-- close_cycle --
UPDATE console.review_cycles y SET closed_at = $3
WHERE agency = $1 AND cycle_id = $2 AND closed_at IS NULL
  AND (due_at <= $3 OR NOT EXISTS (
      SELECT 1 FROM console.review_accounts a JOIN console.people p USING (person_id)
      WHERE a.cycle_id = y.cycle_id AND a.decision IS NULL AND p.disabled_at IS NULL))
RETURNING cycle_id

-- cycle_open --
SELECT EXISTS (SELECT 1 FROM console.review_cycles WHERE agency = $1 AND cycle_id = $2 AND closed_at IS NULL)

-- other_managers --
SELECT EXISTS (SELECT 1 FROM console.people p
    WHERE p.agency = $1 AND p.person_id <> $2 AND p.disabled_at IS NULL AND p.activated_at IS NOT NULL
      AND (p.roles && $3::text[] OR (p.roles && $4::text[] AND EXISTS (
          SELECT 1 FROM console.assignments a WHERE a.person_id = p.person_id AND a.scope = 'access'
            AND a.starts_at <= $5 AND (a.ends_at IS NULL OR a.ends_at > $5)))))

-- cycles --
SELECT c.cycle_id, c.period, c.opened_at, c.due_at, c.closed_at, count(a.person_id) AS accounts,
       count(a.decision) AS decided
FROM console.review_cycles c LEFT JOIN console.review_accounts a USING (cycle_id)
WHERE c.agency = $1 GROUP BY c.cycle_id ORDER BY c.opened_at DESC

-- cycle_accounts --
SELECT p.username, p.full_name, p.job_title, p.roles, p.last_login_at, p.disabled_at, a.decision, a.reason,
       a.decided_by, a.decided_at
FROM console.review_accounts a JOIN console.people p USING (person_id)
WHERE a.agency = $1 AND a.cycle_id = $2 ORDER BY p.full_name

-- decide --
UPDATE console.review_accounts SET decision = $4, reason = $5, decided_by = $6, decided_at = $7
WHERE agency = $1 AND cycle_id = $2 AND person_id = $3 RETURNING person_id

-- cycles_due --
SELECT agency, cycle_id, period FROM console.review_cycles WHERE closed_at IS NULL AND due_at <= $1

-- living_accounts --
SELECT p.person_id, p.username, p.full_name, p.organization, p.agency, p.roles, p.activated_at, p.opened_at,
       p.last_login_at, p.leaves_on,
       (SELECT l.contract_end FROM console.clearances l WHERE l.person_id = p.person_id
        ORDER BY l.recorded_at DESC LIMIT 1) AS contract_end
FROM console.people p WHERE p.disabled_at IS NULL AND ($1::text IS NULL OR p.person_id = $1)
