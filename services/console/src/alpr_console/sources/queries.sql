-- speak_for --
SELECT set_config('console.agency', $1, true)

-- entry_of_hit --
SELECT entry_id FROM console.hits WHERE agency = $1 AND hit_id = $2

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
