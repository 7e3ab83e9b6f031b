-- put_request --
INSERT INTO retention.release_requests (request_id, agency, state, agency_name, requester_name, requester_title,
    requester_contact, intended_purpose, recipient_class, received_as, case_number, read_ids, query_id, taken_by,
    taken_name, taken_at, profile_version, scoped_by)
VALUES ($1, $2, 'draft', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $13);

-- lock_request --
SELECT r.*, f.forwarded_to, f.forwarded_at, f.acknowledged_at AS filed_at, (
    SELECT bool_or(d.delivered_at IS NOT NULL AND d.acknowledged_at IS NULL) FROM retention.share_deliveries AS d
    WHERE d.request_id = r.request_id AND d.agency = $1) AS unreceipted
FROM retention.release_requests AS r LEFT JOIN retention.release_filings AS f USING (request_id)
WHERE r.agency = $1 AND r.request_id = $2 FOR UPDATE OF r;

-- request --
SELECT r.*, f.forwarded_to, f.forwarded_at, f.acknowledged_at AS filed_at, f.acknowledged_by AS filed_by,
    f.acknowledged_name AS filed_name, (
    SELECT bool_or(d.delivered_at IS NOT NULL AND d.acknowledged_at IS NULL) FROM retention.share_deliveries AS d
    WHERE d.request_id = r.request_id AND d.agency = $1) AS unreceipted
FROM retention.release_requests AS r LEFT JOIN retention.release_filings AS f USING (request_id)
WHERE r.agency = $1 AND r.request_id = $2;

-- requests --
SELECT r.*, f.forwarded_to, f.forwarded_at, f.acknowledged_at AS filed_at, f.acknowledged_by AS filed_by,
    f.acknowledged_name AS filed_name, (
    SELECT bool_or(d.delivered_at IS NOT NULL AND d.acknowledged_at IS NULL) FROM retention.share_deliveries AS d
    WHERE d.request_id = r.request_id AND d.agency = $1) AS unreceipted
FROM retention.release_requests AS r LEFT JOIN retention.release_filings AS f USING (request_id)
WHERE r.agency = $1 AND (cardinality($2::text[]) = 0 OR r.state = ANY ($2)) AND (NOT $3 OR f.request_id IS NOT NULL)
  AND ($4::uuid IS NULL OR (r.taken_at, r.request_id) < (
      SELECT b.taken_at, b.request_id FROM retention.release_requests AS b WHERE b.agency = $1 AND b.request_id = $4))
ORDER BY r.taken_at DESC, r.request_id DESC LIMIT $5;

-- put_act --
INSERT INTO retention.release_acts (request_id, number, agency, act, at, by_id, by_name, note, facts)
VALUES ($1, (SELECT count(*) + 1 FROM retention.release_acts AS a WHERE a.request_id = $1), $2, $3, $4, $5, $6, $7, $8)
RETURNING number;

-- acts --
SELECT act, at, by_id, by_name, note, facts FROM retention.release_acts
WHERE agency = $1 AND request_id = $2 ORDER BY number;

-- put_document --
UPDATE retention.release_requests SET document = $3 WHERE agency = $1 AND request_id = $2;

-- put_scope --
UPDATE retention.release_requests SET read_ids = $3, query_id = $4, scoped_by = $5 WHERE agency = $1 AND request_id = $2;

-- submit --
UPDATE retention.release_requests SET state = $3, submitted_by = $4, submitted_name = $5, submitted_at = $6, basis = $7,
    closed_on = $8, profile_version = $9
WHERE agency = $1 AND request_id = $2;

-- decide --
UPDATE retention.release_requests SET state = $3, decision = $4, approved_ids = $5, closed_on = $6
WHERE agency = $1 AND request_id = $2;

-- withdraw --
UPDATE retention.release_requests SET state = 'withdrawn', closed_on = $3 WHERE agency = $1 AND request_id = $2;

-- forward --
INSERT INTO retention.release_filings (request_id, agency, forwarded_to, forwarded_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING request_id;

-- take_into_file --
UPDATE retention.release_filings SET acknowledged_by = $3, acknowledged_name = $4, acknowledged_at = $5
WHERE agency = $1 AND request_id = $2;

-- begin_package --
UPDATE retention.release_requests SET package_id = $3, package_state = 'building', package_problem = '', handing = $4
WHERE agency = $1 AND request_id = $2;

-- package_request --
SELECT * FROM retention.release_requests WHERE agency = $1 AND request_id = $2 AND package_id = $3 FOR UPDATE;

-- package_state --
UPDATE retention.release_requests SET package_state = $3, package_problem = $4, state = $5, closed_on = $6
WHERE agency = $1 AND request_id = $2;

-- put_delivery --
INSERT INTO retention.share_deliveries (delivery_id, agency, request_id, recipient_agency, recipient_person, method,
    package_id, package_sha256, prepared_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING RETURNING delivery_id;

-- put_item --
INSERT INTO retention.share_items (delivery_id, agency, read_id, kind, sha256) VALUES ($1, $2, $3, $4, $5);

-- hand_over --
UPDATE retention.share_deliveries SET delivered_by = $3, delivered_name = $4, delivered_at = $5
WHERE agency = $1 AND delivery_id = $2 AND delivered_at IS NULL AND voided_at IS NULL RETURNING delivery_id;

-- void --
UPDATE retention.share_deliveries SET voided_at = $3
WHERE agency = $1 AND delivery_id = $2 AND delivered_at IS NULL AND voided_at IS NULL RETURNING delivery_id;

-- void_rest --
-- a volume went, or may have gone to its last byte: its reads are delivered, the others can never be any more
UPDATE retention.share_deliveries SET voided_at = $3, delivered_by = $4, delivered_name = $5, delivered_at = $6,
    handed_ids = $7
WHERE agency = $1 AND delivery_id = $2 AND delivered_at IS NULL AND voided_at IS NULL RETURNING delivery_id;

-- acknowledge --
UPDATE retention.share_deliveries SET acknowledged_by = $3, acknowledged_at = $4, acknowledged_note = $5
WHERE agency = $1 AND request_id = $2 AND delivered_at IS NOT NULL AND acknowledged_at IS NULL RETURNING delivery_id;

-- deliveries --
SELECT d.*, coalesce((
    SELECT jsonb_agg(jsonb_build_object('read_id', i.read_id, 'kind', i.kind, 'sha256', i.sha256)
        ORDER BY i.read_id, i.kind)
    FROM retention.share_items AS i WHERE i.delivery_id = d.delivery_id AND i.agency = $1
      AND (d.handed_ids IS NULL OR i.read_id = ANY (d.handed_ids))), '[]') AS items
FROM retention.share_deliveries AS d WHERE d.agency = $1 AND d.request_id = $2 ORDER BY d.prepared_at;

-- disclosures --
SELECT d.*, coalesce($2 <> ALL (d.handed_ids), false) AS stayed, (
    SELECT jsonb_agg(jsonb_build_object('read_id', i.read_id, 'kind', i.kind, 'sha256', i.sha256) ORDER BY i.kind)
    FROM retention.share_items AS i WHERE i.delivery_id = d.delivery_id AND i.agency = $1 AND i.read_id = $2) AS items
FROM retention.share_deliveries AS d
WHERE d.agency = $1 AND d.delivery_id IN (
    SELECT i.delivery_id FROM retention.share_items AS i WHERE i.agency = $1 AND i.read_id = $2)
ORDER BY d.prepared_at;

-- over --
-- closed before a day, with nothing left to be done about them
SELECT r.request_id, r.closed_on FROM retention.release_requests AS r
LEFT JOIN retention.release_filings AS f USING (request_id)
WHERE r.agency = $1 AND r.closed_on < $2 AND r.state IN ('denied', 'fulfilled', 'routed_to_records', 'refused', 'withdrawn')
  AND (f.request_id IS NULL OR f.acknowledged_at IS NOT NULL)
  AND (r.package_state IS NULL OR r.package_state NOT IN ('building', 'ready'))
ORDER BY r.closed_on, r.request_id LIMIT $3;

-- dispose --
SELECT retention.dispose_file($1, $2, $3);

-- holders --
SELECT d.recipient_agency AS holder, count(DISTINCT i.read_id) AS reads, max(d.delivered_at) AS last_at
FROM retention.share_deliveries AS d JOIN retention.share_items AS i USING (delivery_id)
WHERE d.agency = $1 AND d.delivered_at IS NOT NULL AND (d.handed_ids IS NULL OR i.read_id = ANY (d.handed_ids))
GROUP BY d.recipient_agency ORDER BY last_at DESC LIMIT 200;
