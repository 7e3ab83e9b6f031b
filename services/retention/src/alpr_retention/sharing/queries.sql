-- put_agreement --
INSERT INTO retention.agreements (
    agreement_id, giver, receiver, party_name, party_kind, party_state, purposes, statute_basis, words, device_ids,
    max_age_days, with_images, with_hits, starts_at, expires_at, profile_version, created_by, created_name, created_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (agreement_id) DO NOTHING RETURNING agreement_id;

-- agreements --
-- those an agency gives and those it holds, newest first; $2 one of them, $3 those made before
SELECT a.agreement_id, a.giver, a.receiver, a.party_name, a.party_kind, a.party_state, a.purposes, a.statute_basis,
       a.words, a.device_ids, a.max_age_days, a.with_images, a.with_hits, a.starts_at, a.expires_at, a.created_by,
       a.created_name, a.created_at, a.denied_at, a.approved_at, a.stopped_at, a.stopped_by, a.stopped_name,
       a.stop_reason, u.uses, u.last_used_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object('approved_by', p.approved_by, 'approved_name', p.approved_name,
           'at', p.approved_at, 'decision', p.decision, 'note', p.note) ORDER BY p.approved_at)
           FROM retention.agreement_approvals AS p WHERE p.agreement_id = a.agreement_id), '[]') AS approvals
FROM retention.agreements AS a
CROSS JOIN LATERAL (SELECT count(*) AS uses, max(x.used_at) AS last_used_at FROM retention.agreement_uses AS x
    WHERE x.agreement_id = a.agreement_id) AS u
WHERE $1 IN (a.giver, a.receiver) AND ($2::uuid IS NULL OR a.agreement_id = $2)
  AND ($3::timestamptz IS NULL OR a.created_at < $3)
ORDER BY a.created_at DESC, a.agreement_id LIMIT $4;

-- open_agreements --
SELECT agreement_id, receiver, party_kind, party_state, purposes FROM retention.agreements
WHERE giver = $1 AND stopped_at IS NULL AND denied_at IS NULL AND expires_at > $2 ORDER BY agreement_id;

-- lock_open --
SELECT agreement_id FROM retention.agreements WHERE agreement_id = $1 AND stopped_at IS NULL AND denied_at IS NULL
FOR UPDATE;

-- lock_agreement --
SELECT agreement_id FROM retention.agreements WHERE agreement_id = $1 AND giver = $2 FOR UPDATE;

-- put_approval --
INSERT INTO retention.agreement_approvals (agreement_id, giver, receiver, approved_by, approved_name, approved_at,
    decision, note) VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- set_approved --
UPDATE retention.agreements SET approved_at = $2 WHERE agreement_id = $1;

-- set_denied --
UPDATE retention.agreements SET denied_at = $2 WHERE agreement_id = $1;

-- stop_agreement --
UPDATE retention.agreements SET stopped_at = $2, stopped_by = $3, stopped_name = $4, stop_reason = $5
WHERE agreement_id = $1;

-- repository --
SELECT running, reason, changed_by, changed_name, changed_at FROM retention.repositories
WHERE agency = $1 AND adapter = $2;

-- adapters --
SELECT adapter FROM retention.repositories WHERE agency = $1;

-- recall_items --
UPDATE retention.repository_items SET take_back = 'recalled'
WHERE agency = $1 AND adapter = $2 AND sent_revision IS NOT NULL AND take_back = '';

-- switch_repository --
INSERT INTO retention.repositories AS r (agency, adapter, running, reason, changed_by, changed_name, changed_at)
SELECT $1, $2, $3, $4, $5, $6, $7
WHERE $3 OR EXISTS (SELECT FROM retention.repositories AS n WHERE n.agency = $1 AND n.adapter = $2)
ON CONFLICT (agency, adapter) DO UPDATE SET running = $3, reason = $4, changed_by = $5, changed_name = $6, changed_at = $7
WHERE r.running <> $3
RETURNING running;

-- repository_figures --
SELECT count(*) FILTER (WHERE sent_revision IS NULL AND take_back = '') AS waiting,
       count(*) FILTER (WHERE sent_revision IS NOT NULL) AS held_there,
       count(*) FILTER (WHERE take_back <> '') AS withdrawing,
       (SELECT max(b.delivered_at) FROM retention.repository_batches AS b WHERE b.agency = $1 AND b.adapter = $2
           AND b.kind = 'reads') AS last_batch_at,
       (SELECT coalesce(sum(cardinality(b.read_ids)), 0) FROM retention.repository_batches AS b
           WHERE b.agency = $1 AND b.adapter = $2 AND b.kind = 'withdrawals' AND b.state = 'delivered') AS withdrawn
FROM retention.repository_items WHERE agency = $1 AND adapter = $2;

-- note_read --
-- a read that is stored now: it shall go if the flow runs, and what has gone of it before must come back
INSERT INTO retention.repository_items AS i (agency, adapter, read_id, captured_at, revision, look_at)
SELECT $1, $2, $3, $4, $5, $6
WHERE EXISTS (SELECT FROM retention.repositories AS r WHERE r.agency = $1 AND r.adapter = $2 AND r.running)
   OR EXISTS (SELECT FROM retention.repository_items AS n WHERE n.agency = $1 AND n.adapter = $2 AND n.read_id = $3)
ON CONFLICT (agency, adapter, read_id) DO UPDATE SET revision = excluded.revision, captured_at = excluded.captured_at,
    take_back = CASE WHEN i.take_back = '' AND i.sent_revision < excluded.revision THEN 'corrected' ELSE i.take_back END
WHERE excluded.revision >= i.revision;

-- turn_lock --
-- one sender for an agency and its repository at a time
SELECT pg_try_advisory_xact_lock(x'616c7074'::int, hashtext($1 || ' ' || $2));

-- running --
-- whoever stops the flow waits for a batch that is on its way, and none leaves after
SELECT running FROM retention.repositories WHERE agency = $1 AND adapter = $2 FOR SHARE;

-- this_database --
-- names this server process and these tables: a restore makes others of one or of both
SELECT pg_postmaster_start_time()::text || ' ' || 'retention.reads'::regclass::oid;

-- found_there --
-- what lies there by the notes and is not known here to: entered, and looked for here at $6
INSERT INTO retention.repository_items AS i (agency, adapter, read_id, captured_at, revision, sent_revision, look_at)
SELECT $1, $2, n.read_id, n.captured_at, n.revision, n.revision, $6
FROM unnest($3::uuid[], $4::integer[], $5::timestamptz[]) AS n (read_id, revision, captured_at)
ON CONFLICT (agency, adapter, read_id) DO UPDATE SET sent_revision = excluded.sent_revision, look_at = excluded.look_at
WHERE i.sent_revision IS NULL;

-- waiting_items --
SELECT read_id, captured_at FROM retention.repository_items
WHERE agency = $1 AND adapter = $2 AND sent_revision IS NULL AND take_back = '' ORDER BY read_id LIMIT $3
FOR UPDATE SKIP LOCKED;

-- stored_reads --
SELECT r.read_id, r.revision, r.retracted, r.plate, r.state, r.confidence, r.captured_at, r.received_at, r.device_id,
       r.device_kind, r.device_name, r.camera_id, r.direction, r.latitude, r.longitude
FROM unnest($2::uuid[], $3::timestamptz[]) AS w (read_id, captured_at)
CROSS JOIN LATERAL (SELECT retention.stored_day('reads', w.read_id, $1, w.captured_at) AS due_day OFFSET 0) AS d
JOIN retention.reads AS r ON r.read_id = w.read_id AND r.due_day = d.due_day AND r.agency = $1
ORDER BY r.read_id;

-- drop_items --
DELETE FROM retention.repository_items WHERE agency = $1 AND adapter = $2 AND read_id = ANY ($3);

-- mark_sent --
UPDATE retention.repository_items AS i SET sent_revision = s.revision
FROM unnest($3::uuid[], $4::integer[]) AS s (read_id, revision)
WHERE i.agency = $1 AND i.adapter = $2 AND i.read_id = s.read_id;

-- put_batch --
INSERT INTO retention.repository_batches (batch_id, agency, adapter, kind, state, read_ids, revisions, reasons, made_at,
    next_at) VALUES ($1, $2, $3, $4, 'made', $5, $6, $7, $8, $8);

-- items_back --
SELECT read_id, sent_revision, take_back FROM retention.repository_items
WHERE agency = $1 AND adapter = $2 AND take_back <> '' AND NOT taking ORDER BY read_id LIMIT $3 FOR UPDATE SKIP LOCKED;

-- mark_taking --
UPDATE retention.repository_items SET taking = true WHERE agency = $1 AND adapter = $2 AND read_id = ANY ($3);

-- open_batch --
-- withdrawals first: what must come back is not overtaken by what still goes
SELECT batch_id, kind, read_ids, revisions, reasons, attempts, made_at FROM retention.repository_batches
WHERE agency = $1 AND adapter = $2 AND state = 'made' AND next_at <= $3 AND (kind = 'withdrawals' OR $4)
ORDER BY kind DESC, made_at, batch_id LIMIT 1 FOR UPDATE SKIP LOCKED;

-- still_out --
-- of a batch the reads that nobody has taken back or corrected since it was made
SELECT i.read_id, i.captured_at FROM unnest($3::uuid[], $4::integer[]) AS s (read_id, revision)
JOIN retention.repository_items AS i ON i.agency = $1 AND i.adapter = $2 AND i.read_id = s.read_id
    AND i.sent_revision = s.revision AND i.take_back = '';

-- batch_done --
UPDATE retention.repository_batches SET state = $2, delivered_at = $3, attempts = attempts + 1, problem = $4, sha256 = $5
WHERE batch_id = $1;

-- batch_failed --
UPDATE retention.repository_batches SET next_at = $2, attempts = attempts + 1, problem = $3 WHERE batch_id = $1;

-- taken_back --
-- a purged read is gone there too; of a corrected one the new text may go now
WITH gone AS (
    DELETE FROM retention.repository_items AS i WHERE i.agency = $1 AND i.adapter = $2 AND i.read_id = ANY ($3)
        AND i.taking AND i.take_back IN ('purged', 'recalled')
)
UPDATE retention.repository_items AS i SET sent_revision = NULL, take_back = '', taking = false
WHERE i.agency = $1 AND i.adapter = $2 AND i.read_id = ANY ($3) AND i.taking AND i.take_back = 'corrected';

-- lying --
-- what lies there and was captured before $3, in order after ($4, $5), with the day under which it is stored here
SELECT i.read_id, i.captured_at, retention.stored_day('reads', i.read_id, i.agency, i.captured_at) AS due_day
FROM (SELECT read_id, agency, captured_at FROM retention.repository_items WHERE agency = $1 AND adapter = $2
      AND sent_revision IS NOT NULL AND take_back = '' AND captured_at < $3 AND (captured_at, read_id) > ($4, $5)
      ORDER BY captured_at, read_id LIMIT $6) AS i ORDER BY i.captured_at, i.read_id;

-- look --
-- what lies there, was due here by its day of then, and may have gone in another way than by a purge
SELECT i.read_id, retention.stored_day('reads', i.read_id, i.agency, i.captured_at) AS due_day
FROM (SELECT read_id, agency, captured_at FROM retention.repository_items WHERE agency = $1 AND adapter = $2
      AND sent_revision IS NOT NULL AND take_back = '' AND look_at <= $3 ORDER BY look_at LIMIT $4) AS i;

-- look_later --
UPDATE retention.repository_items AS i SET look_at = l.look_at FROM unnest($3::uuid[], $4::timestamptz[]) AS l (read_id, look_at)
WHERE i.agency = $1 AND i.adapter = $2 AND i.read_id = l.read_id;

-- purged_here --
UPDATE retention.repository_items SET take_back = 'purged' WHERE agency = $1 AND adapter = $2 AND read_id = ANY ($3)
    AND sent_revision IS NOT NULL AND take_back = '';

-- batches --
SELECT batch_id, kind, state, cardinality(read_ids) AS reads, made_at, delivered_at, attempts, problem, sha256
FROM retention.repository_batches WHERE agency = $1 AND adapter = $2 AND ($3::timestamptz IS NULL OR made_at < $3)
ORDER BY made_at DESC, batch_id LIMIT $4;

-- batches_of --
SELECT batch_id, adapter, kind, delivered_at, sha256 FROM retention.repository_batches
WHERE agency = $1 AND read_ids @> ARRAY[$2::uuid] AND state = 'delivered' ORDER BY delivered_at;

-- put_demand --
INSERT INTO retention.demands (demand_id, agency, kind, reference, requester, wanted, received_at, due_at, recorded_by,
    recorded_name, recorded_at, profile_version, hold_id, request_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (demand_id) DO NOTHING RETURNING demand_id;

-- demands --
SELECT demand_id, kind, reference, requester, wanted, received_at, due_at, recorded_by, recorded_name, recorded_at,
       hold_id, request_id, outcome, words, answer, answered_by, answered_name, answered_at
FROM retention.demands WHERE agency = $1 AND ($2::uuid IS NULL OR demand_id = $2)
  AND ($3::timestamptz IS NULL OR recorded_at < $3)
ORDER BY recorded_at DESC, demand_id LIMIT $4;

-- lock_demand --
SELECT demand_id FROM retention.demands WHERE agency = $1 AND demand_id = $2 FOR UPDATE;

-- answer_demand --
UPDATE retention.demands SET outcome = $2, words = $3, answer = $4::jsonb, answered_by = $5, answered_name = $6,
    answered_at = $7, hold_id = $8, request_id = $9 WHERE demand_id = $1;

-- affected --
-- how many records lie in a window, and of which devices; nothing of any one of them
SELECT r.device_id, count(*) AS reads, sum(jsonb_array_length(r.images)) AS images
FROM retention.reads AS r
WHERE r.agency = $1 AND r.captured_at >= $2 AND r.captured_at <= $3 AND NOT r.retracted
  AND (cardinality($4::text[]) = 0 OR r.device_id = ANY ($4))
  AND r.due_day = ANY (ARRAY(SELECT d.due_day FROM retention.captured_days AS d WHERE d.agency = $1
      AND d.captured_on BETWEEN $5 AND $6))
GROUP BY r.device_id ORDER BY r.device_id;

-- affected_hits --
SELECT count(*) FROM retention.hits AS h
WHERE h.agency = $1 AND h.captured_at >= $2 AND h.captured_at <= $3
  AND h.due_day = ANY (ARRAY(SELECT d.due_day FROM retention.captured_days AS d WHERE d.agency = $1
      AND d.captured_on BETWEEN $4 AND $5));
