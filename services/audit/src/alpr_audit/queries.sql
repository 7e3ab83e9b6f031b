-- lead --
-- one writer per database: the lock belongs to the session and ends with it
SELECT pg_try_advisory_lock(x'616c7072'::int, 1);

-- append --
WITH entries AS (
    INSERT INTO audit.entries (idx, leaf, leaf_hash, kind, agency, event_id, about)
    SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::bigint[])
), personal AS (
    INSERT INTO audit.personal (idx, salt, content)
    SELECT p.idx, p.salt, p.content::jsonb FROM unnest($8::bigint[], $9::bytea[], $10::text[]) AS p (idx, salt, content)
), intents AS (
    INSERT INTO audit.intents (idx, person_id, agency_scope, query)
    SELECT i.idx, i.person_id, ARRAY(SELECT jsonb_array_elements_text(i.scope::jsonb)), i.query::jsonb
    FROM unnest($11::bigint[], $12::text[], $13::text[], $14::text[]) AS i (idx, person_id, scope, query)
), nodes AS (
    INSERT INTO audit.nodes (level, idx, hash)
    SELECT * FROM unnest($15::smallint[], $16::bigint[], $17::bytea[])
)
INSERT INTO audit.head (size, root, note) VALUES ($18, $19, $20);

-- repeats --
SELECT event_id, idx FROM audit.entries WHERE event_id = ANY ($1::text[]);

-- head --
SELECT size, root, note FROM audit.head ORDER BY size DESC LIMIT 1;

-- last_index --
SELECT max(idx) FROM audit.entries;

-- nodes --
SELECT 0 AS level, idx, leaf_hash AS hash FROM audit.entries WHERE idx = ANY ($1::bigint[])
UNION ALL
SELECT n.level, n.idx, n.hash
FROM audit.nodes AS n JOIN unnest($2::smallint[], $3::bigint[]) AS wanted (level, idx) USING (level, idx);

-- heads_between --
SELECT size, root, note FROM audit.head WHERE size > $1 AND size <= $2 ORDER BY size;

-- copy --
SELECT e.idx, e.leaf, e.leaf_hash, e.kind, e.agency, e.event_id, e.about, p.salt, p.content, i.person_id,
       i.agency_scope, i.query
FROM audit.entries AS e
LEFT JOIN audit.personal AS p USING (idx)
LEFT JOIN audit.intents AS i USING (idx)
WHERE e.idx >= $1 AND e.idx < $2 ORDER BY e.idx;

-- log --
SELECT e.idx, e.leaf, e.committed_at, p.content
FROM audit.entries AS e LEFT JOIN audit.personal AS p USING (idx)
WHERE e.agency = $1 AND e.idx < $2 AND ($3 = '' OR e.kind = $3)
ORDER BY e.idx DESC LIMIT $4;

-- intent --
SELECT e.kind, e.agency, i.person_id, i.agency_scope, i.query, i.committed_at, p.content
FROM audit.intents AS i JOIN audit.entries AS e USING (idx) LEFT JOIN audit.personal AS p USING (idx)
WHERE i.idx = $1;

-- answered --
-- when the read was captured, if a committed result of this intent handed it out
SELECT p.content -> 'reads' ->> $2 FROM audit.entries AS e JOIN audit.personal AS p USING (idx)
WHERE e.about = $1 AND e.kind = 'query_result' AND p.content -> 'reads' ? $2;

-- search --
-- run as alpr_reader; the function finds query and scope in the intent
SELECT retention.search_reads($1);
