-- approve_list --
UPDATE ingest.hotlists SET approved = true WHERE agency = $1 AND code = $2 AND NOT approved RETURNING code;

-- add_approval --
INSERT INTO ingest.list_approvals (approval_id, agency, code, approved_by, approver_name, delegation_id, note,
    approved_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- list_paper --
SELECT h.created_by, h.legitimate_interest, a.approved_by, a.approver_name, a.delegation_id, a.note, a.approved_at
FROM ingest.hotlists h LEFT JOIN ingest.list_approvals a ON a.agency = h.agency AND a.code = h.code
WHERE h.agency = $1 AND h.code = $2;

-- add_authorization --
INSERT INTO ingest.share_authorizations (authorization_id, agency, code, recipient, recipient_class, authorized_by,
    authorizer_name, delegation_id, note, authorized_at, valid_to)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- authorizations --
SELECT authorization_id, recipient, recipient_class, authorizer_name, delegation_id, note, authorized_at, valid_to
FROM ingest.share_authorizations WHERE agency = $1 AND code = $2 ORDER BY authorized_at, authorization_id;

-- add_share --
INSERT INTO ingest.shares (share_id, agency, code, recipient, recipient_class, purpose, shared_by, shared_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- shares --
SELECT share_id, recipient, recipient_class, purpose, shared_by, shared_at
FROM ingest.shares WHERE agency = $1 AND code = $2 ORDER BY shared_at, share_id;

-- add_delivery --
INSERT INTO ingest.share_deliveries (delivery_id, share_id, version, entries, delivered_by, delivered_at)
VALUES ($1, $2, $3, $4, $5, $6);

-- deliveries --
SELECT d.delivery_id, d.share_id, d.version, d.entries, d.delivered_by, d.delivered_at
FROM ingest.share_deliveries d JOIN ingest.shares s ON s.share_id = d.share_id
WHERE s.agency = $1 AND s.code = $2 ORDER BY d.delivered_at, d.delivery_id;

-- entries_in_force --
SELECT entry_id, plate, sealed, key_id FROM ingest.entries
WHERE agency = $1 AND code = $2 AND from_version <= $3 AND (until_version = 0 OR until_version > $3)
ORDER BY plate, entry_id;

-- version_in_force --
SELECT version FROM ingest.hotlists WHERE agency = $1 AND code = $2;
