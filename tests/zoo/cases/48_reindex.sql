-- title: REINDEX, not concurrently
-- catalogue: 48
-- visible: during
-- finding: blocked
-- why: locks alone; the index is as before

-- section: migration
reindex table orders;
