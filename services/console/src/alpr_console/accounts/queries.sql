-- find_login --
SELECT person_id, username, full_name, organization, agency, roles, password_hash FROM console.people WHERE username = $1

-- agency_of --
SELECT agency FROM console.people WHERE person_id = $1

-- login_for_update --
SELECT p.person_id, p.username, p.full_name, p.organization, p.agency, p.roles, p.category, p.password_hash,
       p.password_first, p.password_at, p.totp_secret, p.totp_last_step, p.totp_offered, p.failures, p.last_failure_at,
       p.locked_at, p.disabled_at,
       EXISTS (SELECT 1 FROM console.security_keys k WHERE k.person_id = p.person_id AND k.removed_at IS NULL) AS has_key,
       EXISTS (SELECT 1 FROM console.provider_people v WHERE v.person_id = p.person_id) AS by_provider
FROM console.people p WHERE p.person_id = $1 FOR UPDATE OF p

-- count_failure --
UPDATE console.people
SET failures = CASE WHEN last_failure_at > $2::timestamptz - $3::interval THEN failures + 1 ELSE 1 END,
    last_failure_at = $2
WHERE person_id = $1 RETURNING failures

-- lock_account --
UPDATE console.people SET locked_at = $2 WHERE person_id = $1

-- release_account --
UPDATE console.people SET locked_at = NULL, failures = 0, last_failure_at = NULL
WHERE username = $1 AND agency = $2 RETURNING person_id

-- signed_in --
UPDATE console.people
SET failures = 0, last_failure_at = NULL, locked_at = NULL, last_login_at = $2
WHERE person_id = $1

-- use_totp_step --
UPDATE console.people SET totp_last_step = $2 WHERE person_id = $1

-- put_person --
INSERT INTO console.people
    (person_id, username, full_name, organization, agency, roles, password_hash, totp_secret, created_at, password_first,
     password_at, activated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, $9)
ON CONFLICT (username) DO UPDATE
SET full_name = $3, organization = $4, roles = $6, password_hash = $7, totp_secret = $8, failures = 0,
    last_failure_at = NULL, locked_at = NULL, password_first = $10, password_at = $9,
    activated_at = coalesce(people.activated_at, $9)
WHERE people.agency = $5
RETURNING person_id

-- set_first_password --
UPDATE console.people
SET password_hash = $2, password_first = true, password_at = $3, totp_secret = '', totp_offered = '', failures = 0,
    last_failure_at = NULL, locked_at = NULL
WHERE person_id = $1 RETURNING person_id

-- set_password --
UPDATE console.people SET password_hash = $2, password_first = false, password_at = $3
WHERE person_id = $1 AND password_hash = $4 RETURNING person_id

-- rehash_password --
UPDATE console.people SET password_hash = $3 WHERE person_id = $1 AND password_hash = $2

-- offer_totp --
UPDATE console.people SET totp_offered = $2 WHERE person_id = $1

-- unsealed_secrets --
SELECT person_id, totp_secret, totp_offered FROM console.people
WHERE totp_secret <> '' AND NOT starts_with(totp_secret, $1) OR totp_offered <> '' AND NOT starts_with(totp_offered, $1)

-- seal_secrets --
UPDATE console.people SET totp_secret = $2, totp_offered = $3
WHERE person_id = $1 AND totp_secret = $4 AND totp_offered = $5

-- take_totp --
UPDATE console.people SET totp_secret = totp_offered, totp_offered = '', totp_last_step = $2 WHERE person_id = $1

-- drop_totp --
UPDATE console.people SET totp_secret = '' WHERE person_id = $1

-- has_totp --
SELECT totp_secret <> '' FROM console.people WHERE person_id = $1

-- keys_of --
SELECT credential_id, public_key, sign_count, label, added_at, used_at FROM console.security_keys
WHERE person_id = $1 AND removed_at IS NULL ORDER BY added_at

-- put_key --
INSERT INTO console.security_keys (credential_id, person_id, public_key, sign_count, label, added_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING credential_id

-- use_key --
UPDATE console.security_keys SET sign_count = $2, used_at = $3 WHERE credential_id = $1

-- drop_key --
UPDATE console.security_keys SET removed_at = $3
WHERE person_id = $1 AND credential_id = $2 AND removed_at IS NULL RETURNING label

-- drop_keys --
UPDATE console.security_keys SET removed_at = $2 WHERE person_id = $1 AND removed_at IS NULL

-- put_step --
INSERT INTO console.sign_in_steps (step_id, person_id, facts, challenge, expires_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (step_id) DO UPDATE SET person_id = $2, facts = $3, challenge = $4, expires_at = $5

-- find_step --
SELECT step_id, person_id, facts, challenge FROM console.sign_in_steps WHERE step_id = $1 AND expires_at > $2 FOR UPDATE

-- take_step --
DELETE FROM console.sign_in_steps WHERE step_id = $1 AND expires_at > $2 RETURNING step_id, person_id, facts, challenge

-- forget_steps --
DELETE FROM console.sign_in_steps WHERE expires_at <= $1

-- start_session --
INSERT INTO console.sessions
    (session_id, token_hash, person_id, source_ip, started_at, last_seen_at, authenticated_at, authenticated_by,
     factor_waived, lock_exempt, banner, provider_session)
VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10, $11)

-- find_session --
SELECT s.session_id, s.source_ip, s.started_at, s.last_seen_at, s.sound_armed_at, s.muted_until, s.authenticated_at,
       s.authenticated_by, s.factor_waived, s.lock_exempt,
       c.client_id, c.client_kind, c.unit, c.device_id AS unit_device, c.signed_on_at,
       p.person_id, p.username, p.full_name, p.organization, p.agency, p.roles, p.password_first,
       p.totp_secret <> '' AND NOT $3::boolean
           OR EXISTS (SELECT 1 FROM console.security_keys k WHERE k.person_id = p.person_id AND k.removed_at IS NULL)
           OR s.provider_session <> '' AS enrolled,
       CASE WHEN p.roles && $2::text[]
            THEN (SELECT count(*) FROM console.alerts a WHERE a.agency = p.agency AND a.seen_at IS NULL)
            ELSE 0 END AS alerts
FROM console.sessions s JOIN console.people p USING (person_id)
LEFT JOIN console.clients c ON c.session_id = s.session_id AND c.signed_off_at IS NULL
WHERE s.token_hash = $1 AND s.ended_at IS NULL AND p.disabled_at IS NULL

-- touch_session --
UPDATE console.sessions SET last_seen_at = $2 WHERE session_id = $1 AND last_seen_at < $2

-- prove_session --
UPDATE console.sessions
SET token_hash = $2, authenticated_at = $3, authenticated_by = $4, last_seen_at = $3, source_ip = $5
WHERE session_id = $1 AND ended_at IS NULL RETURNING session_id

-- add_proof --
UPDATE console.sessions SET authenticated_by = array(SELECT DISTINCT unnest(authenticated_by || $2::text[]))
WHERE session_id = $1

-- end_session --
UPDATE console.sessions SET ended_at = $2, end_reason = $3 WHERE session_id = $1 AND ended_at IS NULL
RETURNING session_id

-- end_own_session --
UPDATE console.sessions SET ended_at = $3, end_reason = 'ended_by_person'
WHERE person_id = $1 AND session_id = $2 AND ended_at IS NULL RETURNING session_id

-- sessions_of --
SELECT session_id, source_ip, started_at, last_seen_at, authenticated_at, lock_exempt FROM console.sessions
WHERE person_id = $1 AND ended_at IS NULL AND last_seen_at > $2 ORDER BY last_seen_at DESC

-- end_sessions_of --
UPDATE console.sessions SET ended_at = $2, end_reason = $3
WHERE person_id = $1 AND ended_at IS NULL AND session_id <> $4 RETURNING session_id

-- end_provider_sessions --
UPDATE console.sessions s SET ended_at = $4, end_reason = 'provider'
FROM console.provider_people v JOIN console.people p USING (person_id)
WHERE v.issuer = $1 AND v.person_id = s.person_id AND s.provider_session <> '' AND s.ended_at IS NULL
  AND ($2 = '' OR v.subject = $2) AND ($3 = '' OR s.provider_session = $3)
RETURNING s.session_id, s.source_ip, p.person_id, p.username, p.full_name, p.organization, p.agency, p.roles

-- forget_sessions --
DELETE FROM console.sessions WHERE last_seen_at < $1

-- provider_person --
SELECT person_id FROM console.provider_people WHERE issuer = $1 AND subject = $2

-- link_person --
INSERT INTO console.provider_people (issuer, subject, person_id, linked_by, linked_at)
SELECT $1, $2, person_id, $4, $5 FROM console.people WHERE username = $3 AND agency = $6
ON CONFLICT DO NOTHING RETURNING person_id

-- unlink_person --
DELETE FROM console.provider_people v USING console.people p
WHERE p.username = $1 AND p.agency = $2 AND v.person_id = p.person_id RETURNING v.person_id

-- alerts_of --
SELECT alert_id, kind, person_id, username, full_name, facts, raised_at, seen_at, seen_by FROM console.alerts
WHERE agency = $1 ORDER BY (seen_at IS NULL) DESC, raised_at DESC LIMIT $2

-- see_alert --
UPDATE console.alerts SET seen_at = $3, seen_by = $4 WHERE agency = $1 AND alert_id = $2 AND seen_at IS NULL
RETURNING alert_id

-- person_named --
SELECT person_id, username, full_name, agency, roles FROM console.people
WHERE username = $1 AND agency = $2 FOR UPDATE

-- close_local --
UPDATE console.people SET password_hash = '', password_first = false, totp_secret = '', totp_offered = ''
WHERE person_id = $1
