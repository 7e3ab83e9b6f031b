-- holds --
SELECT coalesce((SELECT max(size) FROM audit.head), 0) AS entries,
    coalesce((SELECT note FROM audit.head ORDER BY size DESC LIMIT 1), '') AS head,
    (SELECT count(*) FROM retention.reads) AS reads, (SELECT count(*) FROM retention.hits) AS hits;

-- tables --
SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p')
    AND relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname = ANY ($1));
