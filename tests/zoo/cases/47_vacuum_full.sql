-- title: VACUUM FULL
-- catalogue: 47
-- visible: during
-- finding: blocked
-- why: an exclusive lock for the rewrite; judged after VACUUM, index-only scans are back

-- section: migration
vacuum full orders;
