-- sum_up --
-- one row for each vehicle and entry: the incident's first hit, and what its work came to
WITH first AS (
    SELECT DISTINCT ON (n.incident_id) n.incident_id, n.hit_id, n.notified_at
    FROM console.notifications n
    WHERE n.agency = $1 AND n.kind = 'hit' AND n.status = 'Actual' AND n.notified_at > $2
    ORDER BY n.incident_id, n.revision, n.client_kind
), steps AS (
    SELECT s.work_id,
           min(s.done_at) FILTER (WHERE s.step = 'read_check') AS checked_at,
           min(s.done_at) FILTER (WHERE s.step = 'broadcast') AS broadcast_at,
           min(s.done_at) FILTER (WHERE s.step = 'verify' AND s.kind NOT IN ('error', 'uncounted')) AS verified_at,
           min(s.done_at) FILTER (WHERE s.step = 'broadcast_result') AS result_told_at,
           (array_agg(s.kind ORDER BY s.step_no DESC) FILTER (WHERE s.step = 'read_check'))[1] AS found,
           (array_agg(s.kind ORDER BY s.step_no DESC)
            FILTER (WHERE s.step = 'verify' AND s.kind NOT IN ('error', 'uncounted')))[1] AS answer,
           (array_agg(s.kind ORDER BY s.step_no DESC) FILTER (WHERE s.step = 'disposition'))[1] AS disposition,
           coalesce((array_agg(s.given ->> 'wrong_vehicle' = 'true' ORDER BY s.step_no DESC)
                     FILTER (WHERE s.step = 'disposition'))[1], false) AS wrong_vehicle,
           bool_or(s.step = 'action' AND s.kind IN ('traffic_stop', 'investigative_stop', 'arrest')) AS stopped
    FROM console.hit_steps s WHERE s.agency = $1 AND s.work_id IN (SELECT f.hit_id FROM first f) GROUP BY s.work_id
)
INSERT INTO console.outcomes
    (hit_id, agency, device_id, device_kind, list_code, grade, captured_at, notified_at, shown_at, acknowledged_at,
     checked_at, broadcast_at, verified_at, result_told_at, misread, wrong_state, verification, stopped, disposition,
     wrong_vehicle, overdue)
SELECT f.hit_id, $1, h.card ->> 'device_id', h.card ->> 'device_kind', h.card ->> 'list_code', h.card ->> 'grade',
       (h.card ->> 'captured_at')::timestamptz, f.notified_at,
       (SELECT min(p.presented_at) FROM console.presented p WHERE p.agency = $1 AND p.hit_id = f.hit_id),
       i.acknowledged_at, s.checked_at, s.broadcast_at, s.verified_at, s.result_told_at,
       coalesce(s.found = 'misread', false), coalesce(s.found = 'wrong_state', false), coalesce(s.answer, ''),
       coalesce(s.stopped, false), coalesce(s.disposition, ''), coalesce(s.wrong_vehicle, false),
       i.overdue_at IS NOT NULL
FROM first f JOIN console.hits h ON h.agency = $1 AND h.hit_id = f.hit_id
LEFT JOIN console.incidents i ON i.agency = $1 AND i.incident_id = f.incident_id
LEFT JOIN steps s ON s.work_id = f.hit_id
ON CONFLICT (hit_id) DO UPDATE
SET shown_at = excluded.shown_at, acknowledged_at = excluded.acknowledged_at, checked_at = excluded.checked_at,
    broadcast_at = excluded.broadcast_at, verified_at = excluded.verified_at, result_told_at = excluded.result_told_at,
    misread = excluded.misread, wrong_state = excluded.wrong_state, verification = excluded.verification,
    stopped = excluded.stopped, disposition = excluded.disposition, wrong_vehicle = excluded.wrong_vehicle,
    overdue = outcomes.overdue OR excluded.overdue

-- outcomes --
SELECT device_id, list_code, grade, checked_at, misread, wrong_state, verification, stopped, disposition, wrong_vehicle
FROM console.outcomes WHERE agency = $1 AND captured_at >= $2 AND captured_at < $3

-- times --
SELECT v.stage, count(*) AS count, percentile_cont(0.5) WITHIN GROUP (ORDER BY v.seconds) AS p50,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY v.seconds) AS p90,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY v.seconds) AS p99
FROM console.outcomes o CROSS JOIN LATERAL (VALUES
    ('captured_shown', extract(epoch FROM o.shown_at - o.captured_at)::float8),
    ('shown_acknowledged', extract(epoch FROM o.acknowledged_at - o.shown_at)::float8),
    ('shown_broadcast', extract(epoch FROM o.broadcast_at - o.shown_at)::float8),
    ('broadcast_verified', extract(epoch FROM o.verified_at - o.broadcast_at)::float8),
    ('broadcast_result', extract(epoch FROM o.result_told_at - o.broadcast_at)::float8),
    ('captured_verified', extract(epoch FROM o.verified_at - o.captured_at)::float8)) AS v (stage, seconds)
WHERE o.agency = $1 AND o.captured_at >= $2 AND o.captured_at < $3 AND v.seconds IS NOT NULL
GROUP BY v.stage

-- overdue_count --
SELECT count(*) FROM console.outcomes WHERE agency = $1 AND captured_at >= $2 AND captured_at < $3 AND overdue

-- wrong_stops --
-- dispositions that say the wrong vehicle was stopped, of real hits, without a review yet
SELECT DISTINCT ON (s.work_id) s.work_id, s.done_at, h.card ->> 'device_id' AS device_id,
       h.card ->> 'list_code' AS list_code, h.card ->> 'grade' AS grade
FROM console.hit_steps s JOIN console.hits h ON h.agency = s.agency AND h.hit_id = s.work_id
WHERE s.agency = $1 AND s.step = 'disposition' AND s.given ->> 'wrong_vehicle' = 'true'
  AND NOT EXISTS (SELECT 1 FROM console.stop_reviews r WHERE r.agency = s.agency AND r.hit_id = s.work_id)
  AND EXISTS (SELECT 1 FROM console.notifications n
              WHERE n.agency = s.agency AND n.hit_id = s.work_id AND n.status = 'Actual')
ORDER BY s.work_id, s.done_at

-- open_review --
INSERT INTO console.stop_reviews (review_id, agency, hit_id, device_id, list_code, grade, opened_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING review_id

-- reviews --
SELECT review_id, hit_id, device_id, list_code, grade, opened_at, closed_at, closed_name, finding
FROM console.stop_reviews WHERE agency = $1 ORDER BY closed_at IS NOT NULL, opened_at DESC LIMIT 200

-- close_review --
UPDATE console.stop_reviews SET closed_at = $3, closed_by = $4, closed_name = $5, finding = $6
WHERE agency = $1 AND review_id = $2 AND closed_at IS NULL RETURNING hit_id
