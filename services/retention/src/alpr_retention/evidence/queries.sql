-- open_package --
SELECT retention.open_package($1, $2, $3);

-- reads_of --
SELECT read_id, due_day, captured_at FROM retention.reads
WHERE agency = $1 AND read_id = ANY ($2) AND ($3::date[] IS NULL OR due_day = ANY ($3)) AND NOT retracted
ORDER BY captured_at, read_id;

-- hits_of --
SELECT hit_id, read_id FROM retention.hits WHERE agency = $1 AND read_id = ANY ($2) AND due_day = ANY ($3) ORDER BY hit_id;

-- put_package --
INSERT INTO retention.packages (
    package_id, agency, kind, subject, entry, state, opened_at, exporter_id, exporter, exporter_name, profile_version,
    cover, clets, clets_authorized_by, clets_basis, medium, serial, witness, reads, hits
) VALUES ($1, $2, $3, $4, $5, 'opened', $6, $7, $8, $9, $10, $11::jsonb, $12, $13, $14, $15, $16, $17, $18, $19);

-- put_authority --
INSERT INTO retention.clets_authorities (authority_id, agency, hold_id, person_id, full_name, basis, authorized_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- authority --
-- the newest unused one of somebody else
SELECT authority_id, person_id, full_name, basis FROM retention.clets_authorities
WHERE agency = $1 AND hold_id = $2 AND person_id <> $3 AND package_id IS NULL AND authorized_at > $4
ORDER BY authorized_at DESC LIMIT 1 FOR UPDATE;

-- use_authority --
UPDATE retention.clets_authorities SET package_id = $3 WHERE agency = $1 AND authority_id = $2 AND package_id IS NULL;

-- put_item --
INSERT INTO retention.package_items (package_id, agency, position, read_id, due_day, captured_at)
VALUES ($1, $2, $3, $4, $5, $6);

-- package --
SELECT * FROM retention.packages WHERE agency = $1 AND package_id = $2;

-- lock_package --
SELECT * FROM retention.packages WHERE agency = $1 AND package_id = $2 FOR UPDATE;

-- packages --
SELECT * FROM retention.packages
WHERE agency = $1 AND ($2::uuid IS NULL OR subject = $2) AND ($3 = '' OR state = $3)
  AND ($4::uuid IS NULL OR (opened_at, package_id) < (SELECT p.opened_at, p.package_id FROM retention.packages AS p
                                                       WHERE p.agency = $1 AND p.package_id = $4))
ORDER BY opened_at DESC, package_id DESC LIMIT $5;

-- volumes --
SELECT * FROM retention.package_volumes WHERE agency = $1 AND package_id = ANY ($2) ORDER BY package_id, number;

-- of_read --
SELECT p.package_id, p.subject AS hold_id, p.state, p.medium, p.booking_number, p.given_at
FROM retention.packages AS p JOIN retention.package_items AS i USING (package_id)
WHERE p.agency = $1 AND i.agency = $1 AND i.read_id = $2 AND p.kind = 'hold' AND p.state IN ('given', 'closed')
ORDER BY p.given_at, p.package_id;

-- items --
SELECT position, read_id, due_day, captured_at, record_sha256, images, volume FROM retention.package_items
WHERE agency = $1 AND package_id = $2 ORDER BY position;

-- batch --
SELECT read_id, due_day, captured_at FROM retention.package_items
WHERE agency = $1 AND package_id = $2 AND position >= $3 AND position < $4 ORDER BY position;

-- put_papers --
-- each batch counts once, in order; the last one lets the package be built
UPDATE retention.packages SET papers = papers + 1, state = CASE WHEN papers + 1 = $4 THEN 'building' ELSE state END
WHERE agency = $1 AND package_id = $2 AND papers = $3 AND state = 'opened';

-- building --
SELECT agency, package_id FROM retention.packages WHERE agency = ANY ($1) AND state = 'building' ORDER BY opened_at;

-- work_lock --
-- one builder of a package at a time, whichever worker it is
SELECT pg_try_advisory_lock(x'616c7070'::int, hashtext($1));

-- begin_attempt --
UPDATE retention.packages SET attempt = attempt + 1, packed = 0
WHERE agency = $1 AND package_id = $2 AND state = 'building' RETURNING attempt;

-- packed --
UPDATE retention.packages SET packed = $3 WHERE agency = $1 AND package_id = $2 AND state = 'building';

-- day_of --
-- a purge or a change of period may have moved a read meanwhile
SELECT retention.stored_day('reads', $2, $1, $3);

-- record --
SELECT to_jsonb(r) AS read, coalesce((SELECT jsonb_agg(to_jsonb(h) ORDER BY h.matched_at, h.hit_id) FROM retention.hits AS h
    WHERE h.agency = $1 AND h.read_id = $2 AND h.due_day = $3), '[]') AS hits
FROM retention.reads AS r WHERE r.agency = $1 AND r.read_id = $2 AND r.due_day = $3 AND NOT r.retracted;

-- put_volume --
INSERT INTO retention.package_volumes (package_id, agency, number, parts, bytes, sha256, sums_sha256, serial)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- pack_item --
UPDATE retention.package_items SET record_sha256 = $4, images = $5::jsonb, volume = $6
WHERE agency = $1 AND package_id = $2 AND position = $3;

-- built --
UPDATE retention.packages SET state = 'ready', built_at = $3, expires_at = $4, redactions = $5::jsonb, key_sha256 = $6,
    content_key = $7, packed = reads
WHERE agency = $1 AND package_id = $2 AND state = 'building' AND attempt = $8;

-- handed --
-- reads of the volumes whose hand-out ever began
SELECT i.read_id, i.record_sha256, i.images, v.began_by, v.began_name, v.began_at
FROM retention.package_items AS i JOIN retention.package_volumes AS v
    ON v.package_id = i.package_id AND v.number = i.volume
WHERE i.agency = $1 AND i.package_id = $2 AND v.began_at IS NOT NULL ORDER BY v.began_at, i.position;

-- end --
UPDATE retention.packages SET state = $3, problem = $4, closed_at = $5, content_key = NULL
WHERE agency = $1 AND package_id = $2 AND state IN ('opened', 'building', 'ready');

-- begin_taking --
-- who began first stays noted: a hand-out that broke off at its last byte was one, too
UPDATE retention.package_volumes SET taking_at = $4, began_at = coalesce(began_at, $4),
    began_by = CASE WHEN began_at IS NULL THEN $6 ELSE began_by END,
    began_name = CASE WHEN began_at IS NULL THEN $7 ELSE began_name END
WHERE agency = $1 AND package_id = $2 AND number = $3 AND taken_at IS NULL
  AND (taking_at IS NULL OR taking_at < $5) RETURNING parts;

-- stop_taking --
UPDATE retention.package_volumes SET taking_at = NULL
WHERE agency = $1 AND package_id = $2 AND number = $3 AND taking_at = $4 AND taken_at IS NULL;

-- taken --
UPDATE retention.package_volumes SET taken_at = $4, taken_by = $5, taken_name = $6
WHERE agency = $1 AND package_id = $2 AND number = $3 AND taken_at IS NULL;

-- given --
UPDATE retention.packages AS p SET state = 'given', given_at = $3, content_key = NULL
WHERE p.agency = $1 AND p.package_id = $2 AND p.state = 'ready' AND NOT EXISTS (
    SELECT FROM retention.package_volumes AS v WHERE v.package_id = p.package_id AND v.taken_at IS NULL);

-- set_media --
UPDATE retention.packages SET medium = $3, witness = $4 WHERE agency = $1 AND package_id = $2;

-- set_serial --
UPDATE retention.package_volumes SET serial = $4 WHERE agency = $1 AND package_id = $2 AND number = $3;

-- close --
UPDATE retention.packages SET state = 'closed', booking_number = $3, closed_at = $4, closed_by = $5, closed_name = $6
WHERE agency = $1 AND package_id = $2 AND state = 'given';

-- late --
-- what waited too long: for its papers, or to be taken
SELECT package_id, state FROM retention.packages
WHERE agency = $1 AND ((state = 'opened' AND opened_at < $2) OR (state = 'ready' AND expires_at < $3));

-- live --
SELECT package_id FROM retention.packages WHERE agency = $1 AND state IN ('opened', 'building', 'ready');

-- purged --
-- whether a read of a package is gone, wherever a hold or a change of period had moved it before
SELECT EXISTS (SELECT FROM retention.package_items AS i WHERE i.agency = $1 AND i.package_id = $2
    AND retention.stored_day('reads', i.read_id, $1, i.captured_at) IS NULL);

-- uncleared --
SELECT package_id FROM retention.packages
WHERE agency = $1 AND cleared_at IS NULL AND state IN ('given', 'closed', 'cancelled', 'broken', 'expired');

-- cleared --
UPDATE retention.packages SET cleared_at = $3 WHERE agency = $1 AND package_id = $2 AND cleared_at IS NULL;
