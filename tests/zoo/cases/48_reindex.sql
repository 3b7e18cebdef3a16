-- title: REINDEX, not concurrently
-- catalogue: 48
-- visible: during
-- live: writer
-- exit: 5
-- finding: blocked /reindex/
-- why: locks alone; the index is as before

-- section: migration
reindex table orders;
