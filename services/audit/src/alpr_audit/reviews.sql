-- accesses --
-- each with what it commits to, so that a report can check what it shows
SELECT a.idx, e.leaf, p.salt, p.content
FROM audit.access_events AS a JOIN audit.entries AS e USING (idx) JOIN audit.personal AS p USING (idx)
WHERE a.agency = $1 AND a.occurred_at >= $2 AND a.occurred_at < $3
  AND ($4 = '' OR a.username = $4) AND ($5 = '' OR a.kind = $5) AND ($6 = '' OR a.purpose_code = $6)
  AND ($7 = '' OR a.case_number = $7)
ORDER BY a.occurred_at, a.idx LIMIT $8;

-- refused --
SELECT e.kind, e.leaf, p.content
FROM audit.entries AS e LEFT JOIN audit.personal AS p USING (idx)
WHERE e.agency = $1 AND e.committed_at >= $2 AND e.committed_at < $3
  AND (e.kind = 'gate_overridden' OR position('"outcome":"refused"'::bytea IN e.leaf) > 0)
ORDER BY e.idx;

-- put_report --
INSERT INTO audit.reports (report_id, agency, created_at, retain_until, starts_at, ends_at, created_by, summary, document,
                           sha256)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9, $10);

-- reports --
SELECT report_id, summary, encode(sha256, 'hex') AS sha256 FROM audit.reports
WHERE agency = $1 ORDER BY created_at DESC LIMIT 200;

-- report --
SELECT report_id, summary, encode(sha256, 'hex') AS sha256, document, retain_until FROM audit.reports
WHERE agency = $1 AND report_id = $2;

-- delete_report --
DELETE FROM audit.reports WHERE report_id = $1;

-- expired_reports --
SELECT report_id, agency, encode(sha256, 'hex') AS sha256 FROM audit.reports WHERE retain_until <= $1;

-- first_entry --
SELECT committed_at FROM audit.entries WHERE agency = $1 ORDER BY idx LIMIT 1;

-- last_index --
SELECT max(idx) FROM audit.entries;

-- committed_at --
SELECT committed_at FROM audit.entries WHERE idx = $1;

-- put_task --
INSERT INTO audit.tasks (task_id, agency, period, scope, role, mode, starts_at, ends_at, opened_at, due_at, seed, figures)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::jsonb)
ON CONFLICT DO NOTHING RETURNING task_id;

-- has_task --
SELECT EXISTS (SELECT FROM audit.tasks WHERE agency = $1 AND period = $2 AND scope = $3);

-- accesses_between --
SELECT idx FROM audit.access_events WHERE agency = $1 AND occurred_at >= $2 AND occurred_at < $3 AND kind = ANY ($4::text[])
ORDER BY idx;

-- accounts_between --
SELECT idx FROM audit.entries
WHERE agency = $1 AND idx >= $2 AND idx < $3 AND kind ~ $4 ORDER BY idx;

-- flagged --
SELECT x.idx, array_agg(DISTINCT f.kind ORDER BY f.kind) AS kinds
FROM audit.findings AS f CROSS JOIN LATERAL unnest(f.entries) AS x (idx)
WHERE f.agency = $1 AND x.idx = ANY ($2::bigint[]) GROUP BY x.idx;

-- put_items --
INSERT INTO audit.task_items (task_id, idx, flags)
SELECT $1, i.idx, ARRAY(SELECT jsonb_array_elements_text(i.flags::jsonb))
FROM unnest($2::bigint[], $3::text[]) AS i (idx, flags);

-- tasks --
SELECT t.*, c.closed_at, c.closed_by, c.counts, c.statement,
       (SELECT count(*) FROM audit.task_items AS i WHERE i.task_id = t.task_id) AS items,
       (SELECT count(DISTINCT f.idx) FROM audit.task_findings AS f WHERE f.task_id = t.task_id) AS decided
FROM audit.tasks AS t LEFT JOIN audit.closures AS c USING (task_id)
WHERE t.agency = $1 AND ($2 = '' OR t.task_id = $2) ORDER BY t.ends_at DESC, t.scope LIMIT 100;

-- items --
SELECT i.idx, i.flags, e.leaf, p.content, f.result, f.note, f.reviewer, f.found_at
FROM audit.task_items AS i JOIN audit.entries AS e USING (idx) LEFT JOIN audit.personal AS p USING (idx)
LEFT JOIN LATERAL (
    SELECT * FROM audit.task_findings AS f WHERE f.task_id = i.task_id AND f.idx = i.idx ORDER BY number DESC LIMIT 1
) AS f ON true
WHERE i.task_id = $1 AND ($2::bigint IS NULL OR i.idx = $2) ORDER BY i.idx;

-- put_finding --
INSERT INTO audit.task_findings (task_id, idx, number, result, note, reviewer, found_at)
SELECT $1, $2, count(*) + 1, $3, $4, $5::jsonb, $6 FROM audit.task_findings WHERE task_id = $1 AND idx = $2;

-- close_task --
INSERT INTO audit.closures (task_id, closed_at, closed_by, counts, statement) VALUES ($1, $2, $3::jsonb, $4::jsonb, $5)
ON CONFLICT DO NOTHING RETURNING task_id;

-- newly_overdue --
SELECT t.task_id, t.agency, t.period, t.scope, t.due_at FROM audit.tasks AS t
WHERE t.due_at < $1 AND t.overdue_at IS NULL AND NOT EXISTS (SELECT FROM audit.closures AS c WHERE c.task_id = t.task_id);

-- set_overdue --
UPDATE audit.tasks SET overdue_at = $2 WHERE task_id = $1;

-- count_overdue --
SELECT count(*) FROM audit.tasks AS t
WHERE t.due_at < $1 AND NOT EXISTS (SELECT FROM audit.closures AS c WHERE c.task_id = t.task_id);

-- acts --
SELECT e.idx, e.agency, e.kind, e.leaf, p.content
FROM audit.entries AS e LEFT JOIN audit.personal AS p USING (idx)
WHERE e.idx > $1 AND e.kind = ANY ($2::text[]) ORDER BY e.idx LIMIT $3;

-- account_acts --
-- the kinds of alpr_audit.patterns ENDING and BEGINNING; few, and found by an index of their own
SELECT e.idx, e.agency, e.kind, e.leaf, p.content
FROM audit.entries AS e LEFT JOIN audit.personal AS p USING (idx)
WHERE e.idx < $1 AND e.kind IN ('access_restored', 'access_suspended', 'account_activated', 'account_disabled', 'account_opened')
ORDER BY e.idx;

-- put_signal --
INSERT INTO audit.findings (finding_id, agency, kind, level, subject, entries, detail, found_at)
VALUES ($1, $2, $3, $4, $5::jsonb, $6::bigint[], $7, $8) ON CONFLICT DO NOTHING RETURNING finding_id;

-- findings --
SELECT f.*, d.result, d.note, d.reviewer, d.disposed_at
FROM audit.findings AS f LEFT JOIN audit.dispositions AS d USING (finding_id)
WHERE f.agency = $1 AND ($2 = '' OR f.finding_id = $2) AND ($3 = '' OR f.kind = $3)
  AND ($4 = '' OR ($4 = 'open') = (d.finding_id IS NULL))
ORDER BY f.found_at DESC, f.finding_id LIMIT 500;

-- dispose --
INSERT INTO audit.dispositions (finding_id, result, note, reviewer, disposed_at) VALUES ($1, $2, $3, $4::jsonb, $5)
ON CONFLICT DO NOTHING RETURNING finding_id;

-- open_findings --
SELECT count(*) AS open, min(f.found_at) AS oldest FROM audit.findings AS f
WHERE ($1 = '' OR f.agency = $1) AND NOT EXISTS (SELECT FROM audit.dispositions AS d WHERE d.finding_id = f.finding_id);

-- put_employee_plate --
INSERT INTO audit.employee_plates (plate_id, agency, person_id, username, digest, added_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING plate_id;

-- employee_plates --
SELECT plate_id, username, digest, added_at FROM audit.employee_plates WHERE agency = $1 ORDER BY username, added_at;

-- delete_employee_plate --
DELETE FROM audit.employee_plates WHERE agency = $1 AND plate_id = $2 RETURNING plate_id;

-- linked --
-- entries that name one of these subjects, or that are about one of these entries
SELECT idx FROM audit.links AS l JOIN audit.entries AS e USING (idx) WHERE l.subject = ANY ($2::text[]) AND e.agency = $1
UNION
SELECT idx FROM audit.entries WHERE about = ANY ($3::bigint[]) AND agency = $1;

-- read_subjects --
-- entries that opened a read, and results that answered it
SELECT a.idx FROM audit.access_events AS a
WHERE a.agency = $1 AND a.criteria ? 'read_id' AND a.criteria ->> 'read_id' = $2 AND a.kind <> 'trail_read'
UNION
SELECT p.idx FROM audit.personal AS p JOIN audit.entries AS e USING (idx)
WHERE p.content ? 'reads' AND p.content -> 'reads' ? $2 AND e.agency = $1;

-- origins --
-- what entries are about or follow
SELECT e.about AS idx FROM audit.entries AS e WHERE e.idx = ANY ($1::bigint[]) AND e.about IS NOT NULL
UNION
SELECT substr(l.subject, 10)::bigint FROM audit.links AS l
WHERE l.idx = ANY ($1::bigint[]) AND l.subject ~ '^query_id [0-9]{1,15}$';

-- entries --
SELECT e.idx, e.leaf, p.content FROM audit.entries AS e LEFT JOIN audit.personal AS p USING (idx)
WHERE e.idx = ANY ($1::bigint[]) AND e.agency = $2 ORDER BY e.idx;
