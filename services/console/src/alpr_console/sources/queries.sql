-- speak_for --
SELECT set_config('console.agency', $1, true)

-- entry_of_hit --
SELECT entry_id FROM console.hits WHERE agency = $1 AND hit_id = $2

-- put_verification --
INSERT INTO console.verifications
    (verification_id, agency, hit_id, source, route, result, reference, override_reason, person_id, full_name,
     profile_version, verified_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT DO NOTHING RETURNING verification_id

-- put_verification_text --
INSERT INTO console.verification_texts (verification_id, agency, sealed, key_id) VALUES ($1, $2, $3, $4)

-- verifications --
SELECT v.verification_id, v.hit_id, v.source, v.route, v.result, v.reference, v.full_name, v.profile_version,
       v.verified_at, t.verification_id IS NOT NULL AS has_text
FROM console.verifications v LEFT JOIN console.verification_texts t USING (verification_id)
WHERE v.agency = $1 AND v.hit_id = $2 ORDER BY v.verified_at, v.verification_id

-- verification_text --
SELECT sealed, key_id FROM console.verification_texts WHERE agency = $1 AND verification_id = $2

-- put_lookup --
INSERT INTO console.registration_lookups
    (lookup_id, agency, hit_id, entry_id, permissible_use, answered_by, sealed, key_id, person_id, full_name,
     looked_up_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- lookups --
SELECT lookup_id, hit_id, permissible_use, answered_by, full_name, looked_up_at
FROM console.registration_lookups WHERE agency = $1 AND hit_id = $2 ORDER BY looked_up_at, lookup_id

-- lookup --
SELECT lookup_id, permissible_use, answered_by, sealed, key_id
FROM console.registration_lookups WHERE agency = $1 AND hit_id = $2 AND lookup_id = $3

-- purge_verifications --
DELETE FROM console.verifications WHERE expires_at <= $1
