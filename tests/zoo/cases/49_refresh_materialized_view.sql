-- title: REFRESH MATERIALIZED VIEW, not concurrently
-- catalogue: 49
-- visible: during
-- live: reader
-- exit: 5
-- finding: blocked /refresh/
-- blocking: AccessExclusive sales /refresh/
-- why: an exclusive lock on it while it is made again

-- section: migration
refresh materialized view sales;
