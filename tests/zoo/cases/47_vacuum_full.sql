-- title: VACUUM FULL
-- catalogue: 47
-- visible: during
-- live: reader
-- exit: 5
-- finding: blocked /vacuum/
-- blocking: AccessExclusive orders /vacuum/
-- why: an exclusive lock for the rewrite; judged after VACUUM, index-only scans are back

-- section: migration
vacuum full orders;
