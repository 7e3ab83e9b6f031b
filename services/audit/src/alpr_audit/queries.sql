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
WHERE e.about = $1 AND e.kind IN ('query_result', 'hit_query_result') AND p.content -> 'reads' ? $2;

-- search --
-- run as alpr_reader; the function finds query and scope in the intent
SELECT retention.search_reads($1);

-- search_hits --
-- run as alpr_reader, like search: the function finds query and scope in the intent
SELECT retention.search_hits($1);

-- agreements_of --
-- run as alpr_reader; whether an agreement still stands is judged again at the search
SELECT agreement_id, giver, purposes, device_ids, max_age_days, with_images, with_hits, expires_at, party_kind,
       party_state
FROM retention.agreements_of($1);

-- subject_answer --
-- run as alpr_reader, like search: the function finds the plate in the intent
SELECT retention.subject_answer($1);

-- handed_out --
SELECT p.content FROM audit.entries AS e JOIN audit.personal AS p USING (idx)
WHERE e.about = $1 AND e.kind IN ('query_result', 'hit_query_result') LIMIT 1;

-- cases_due --
SELECT e.idx, e.committed_at, jsonb_build_object('person_id', p.content #> '{person,person_id}',
       'username', p.content #> '{person,username}', 'purpose_code', p.content #> '{reasons,purpose_code}',
       'justification', p.content #> '{reasons,justification}',
       'no_case_number_reason', p.content #> '{reasons,no_case_number_reason}') AS content
FROM audit.personal AS p JOIN audit.entries AS e USING (idx)
WHERE p.content ->> 'case_number' = 'due' AND e.agency = $1
  AND ($2 = '' OR p.content #>> '{person,person_id}' = $2)
  AND NOT EXISTS (SELECT FROM audit.entries AS d WHERE d.about = e.idx AND d.kind = 'case_number_added')
ORDER BY e.idx DESC LIMIT $3;

-- case_due --
SELECT p.content #>> '{person,person_id}' FROM audit.personal AS p JOIN audit.entries AS e USING (idx)
WHERE p.idx = $1 AND e.agency = $2 AND p.content ->> 'case_number' = 'due';

-- declared --
-- $3 numbers, $4 how many; $5 and $6 times that a search asks for, $7 the rectangle. Moments are kept in UTC, so that
-- their first 19 characters sort as they follow each other; a cast could fail and end every search by place.
SELECT e.idx, e.committed_at, p.content -> 'declared' AS declared, p.content -> 'person' AS by,
       ended.at AS ended_at, ended.by AS ended_by
FROM audit.entries AS e JOIN audit.personal AS p USING (idx) LEFT JOIN LATERAL (
    SELECT d.committed_at AS at, q.content #>> '{person,person_id}' AS by
    FROM audit.entries AS d LEFT JOIN audit.personal AS q USING (idx)
    WHERE d.about = e.idx AND d.kind IN ('use_approval_revoked', 'protected_event_ended') AND d.agency = e.agency
      AND convert_from(d.leaf, 'UTF8')::jsonb ->> 'service' = 'audit'
    ORDER BY d.idx LIMIT 1
) AS ended ON true
-- the kinds stand here too, so that the partial index serves whatever plan is kept
WHERE e.kind IN ('use_approval', 'protected_event') AND e.kind = $1 AND e.agency = $2
  AND ($3::bigint[] IS NULL OR e.idx = ANY ($3))
  AND convert_from(e.leaf, 'UTF8')::jsonb ->> 'service' = 'audit' AND p.content ? 'declared'
  AND ($5::text IS NULL OR left(p.content #>> '{declared,ends_at}', 19) COLLATE "C" >= left($5, 19))
  AND ($6::text IS NULL OR left(p.content #>> '{declared,begins_at}', 19) COLLATE "C" <= left($6, 19))
  AND ($7::jsonb IS NULL OR (
      p.content #> '{declared,area,south}' <= $7 -> 'north' AND p.content #> '{declared,area,north}' >= $7 -> 'south'
      AND p.content #> '{declared,area,west}' <= $7 -> 'east' AND p.content #> '{declared,area,east}' >= $7 -> 'west'))
ORDER BY e.idx DESC LIMIT $4;

-- custody --
-- what opened a read, what answered it, and what is about it or its hit; the newest of each read
WITH wanted AS (SELECT unnest($2::text[]) AS read_id),
hit AS (SELECT * FROM unnest($3::text[], $4::text[]) AS h (hit_id, read_id)),
found AS (
    SELECT a.idx, w.read_id FROM wanted AS w JOIN audit.access_events AS a
        ON a.criteria ? 'read_id' AND a.criteria ->> 'read_id' = w.read_id WHERE a.agency = $1 AND a.kind <> 'trail_read'
    UNION
    SELECT p.idx, w.read_id FROM wanted AS w JOIN audit.personal AS p
        ON p.content ? 'reads' AND p.content -> 'reads' ? w.read_id
    UNION
    SELECT l.idx, w.read_id FROM wanted AS w JOIN audit.links AS l ON l.subject = 'read_id ' || w.read_id
    UNION
    SELECT l.idx, h.read_id FROM hit AS h JOIN audit.links AS l ON l.subject = 'hit_id ' || h.hit_id
),
newest AS (
    SELECT f.idx, f.read_id, row_number() OVER (PARTITION BY f.read_id ORDER BY f.idx DESC) AS n
    FROM found AS f JOIN audit.entries AS e USING (idx) WHERE e.agency = $1
)
SELECT e.idx, e.leaf, p.content, o.read_ids
FROM (SELECT idx, array_agg(read_id ORDER BY read_id) AS read_ids FROM newest WHERE n <= $5 GROUP BY idx) AS o
JOIN audit.entries AS e USING (idx) LEFT JOIN audit.personal AS p USING (idx) ORDER BY e.idx;

-- custody_of --
SELECT e.idx, e.leaf, p.content FROM audit.entries AS e LEFT JOIN audit.personal AS p USING (idx)
WHERE e.agency = $1 AND e.idx = $2;
