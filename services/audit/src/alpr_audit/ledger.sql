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

-- last_entry --
SELECT idx, leaf FROM audit.entries ORDER BY idx DESC LIMIT 1;

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

-- times --
-- signed times of these entries; they never decrease along the log
SELECT idx, convert_from(leaf, 'UTF8')::jsonb ->> 'time' AS time FROM audit.entries WHERE idx = ANY ($1::bigint[]);

-- oldest_content --
SELECT min(idx) FROM (SELECT idx FROM audit.personal UNION ALL SELECT idx FROM audit.intents) AS kept;

-- last_content --
SELECT max(idx) FROM audit.personal WHERE idx <= $1;

-- erase --
SELECT audit.erase($1, $2);

-- bundle --
SELECT idx, leaf FROM audit.entries WHERE idx >= $1 AND idx < $2 ORDER BY idx;

-- ends --
-- in one snapshot: where the last head and where the table end
SELECT (SELECT max(idx) + 1 FROM audit.entries) AS entries, h.size, h.root, h.note
FROM (SELECT) AS always LEFT JOIN (SELECT size, root, note FROM audit.head ORDER BY size DESC LIMIT 1) AS h ON true;

-- nodes_between --
-- subtrees that the entries of this range complete
SELECT n.level, n.idx, n.hash FROM generate_series(1, 62) AS l (level) JOIN audit.nodes AS n
ON n.level = l.level AND n.idx >= $1::bigint >> l.level AND n.idx < $2::bigint >> l.level;

-- accesses --
-- by the key, backwards: the time has no index of its own, and nobody asks for more than the last hour
SELECT a.kind, a.agency, a.person_id, a.occurred_at, a.criteria ? 'read_id' AS one_read
FROM (SELECT * FROM audit.access_events ORDER BY idx DESC LIMIT $3) AS a
WHERE a.occurred_at > $1 AND a.kind = ANY ($2::text[]) ORDER BY a.idx;

-- case --
-- entries that name a case, and what was done under them: about their holds and releases, and what followed their searches
WITH named AS (
    SELECT p.idx FROM audit.personal AS p JOIN audit.entries AS e USING (idx)
    WHERE e.agency = $1 AND $2 IN (p.content #>> '{reasons,case_number}', p.content ->> 'case_number')
), subjects AS (
    SELECT l.subject FROM named JOIN audit.links AS l USING (idx) WHERE l.subject ~ '^(hold_id|release_id) '
    UNION SELECT 'query_id ' || idx FROM named
)
SELECT idx FROM named
UNION SELECT e.idx FROM named JOIN audit.entries AS e ON e.about = named.idx
UNION SELECT l.idx FROM subjects JOIN audit.links AS l USING (subject) JOIN audit.entries AS e USING (idx)
WHERE e.agency = $1;

-- find --
SELECT e.idx, e.leaf, e.committed_at, p.content
FROM audit.entries AS e LEFT JOIN audit.personal AS p USING (idx)
WHERE e.agency = $1 AND e.idx < $2 AND ($3 = '' OR e.kind = $3)
  AND ($4 = '' OR $4 IN (p.content #>> '{person,username}', p.content ->> 'username'))
  AND ($5 = '' OR convert_from(e.leaf, 'UTF8')::jsonb ->> 'outcome' = $5)
  AND ($6::timestamptz IS NULL OR e.committed_at >= $6) AND ($7::timestamptz IS NULL OR e.committed_at < $7)
  AND ($8 = '' OR regexp_replace(upper(p.content #>> '{criteria,plate}'), '[^A-Z0-9]', '', 'g') = $8)
  AND ($9::bigint[] IS NULL OR e.idx = ANY ($9))
ORDER BY e.idx DESC LIMIT $10;

-- linked --
WITH own AS (
    SELECT e.idx, e.about, e.committed_at, (convert_from(e.leaf, 'UTF8')::jsonb #>> '{facts,follows}')::bigint AS follows,
           coalesce(p.content #>> '{person,session_id}', p.content ->> 'session_id') AS session
    FROM audit.entries AS e LEFT JOIN audit.personal AS p USING (idx) WHERE e.idx = $2 AND e.agency = $1
), near AS (
    SELECT idx FROM own
    UNION SELECT about FROM own UNION SELECT follows FROM own
    UNION SELECT e.idx FROM audit.entries AS e JOIN own ON e.about = own.idx
    -- what follows an answer does so within 15 minutes
    UNION SELECT e.idx FROM audit.entries AS e JOIN own ON e.agency = $1 AND e.idx > own.idx
          AND e.committed_at < own.committed_at + interval '30 minutes'
          AND (convert_from(e.leaf, 'UTF8')::jsonb #>> '{facts,follows}')::bigint = own.idx
    UNION SELECT s.idx FROM (
        SELECT e.idx FROM audit.entries AS e JOIN audit.personal AS p USING (idx) JOIN own ON e.idx <= own.idx
        WHERE e.agency = $1 AND e.kind IN ('sign_in', 'session_started') AND own.session <> ''
          AND own.session IN (p.content #>> '{person,session_id}', p.content ->> 'session_id')
        ORDER BY e.idx DESC LIMIT 2
    ) AS s
)
SELECT e.idx, e.leaf, e.committed_at, p.content
FROM near JOIN audit.entries AS e USING (idx) LEFT JOIN audit.personal AS p USING (idx)
WHERE e.agency = $1 ORDER BY e.idx;
