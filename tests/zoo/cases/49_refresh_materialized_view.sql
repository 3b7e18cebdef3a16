-- title: REFRESH MATERIALIZED VIEW, not concurrently
-- catalogue: 49
-- visible: during
-- finding: blocked
-- why: an exclusive lock on it while it is made again

-- section: migration
refresh materialized view sales;
