-- title: ATTACH PARTITION scans, and locks the default partition
-- catalogue: 51
-- visible: during
-- live: reader
-- exit: 5
-- finding: blocked /attach/
-- why: locks alone, but for the rows that come with the partition

-- section: migration
alter table events attach partition events_2025 for values from ('2025-12-01') to ('2026-01-01');
