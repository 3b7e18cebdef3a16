-- title: CREATE INDEX on a partitioned table locks every partition
-- catalogue: 54
-- visible: during
-- finding: blocked
-- why: the locks are gone with the build

-- section: migration
create index events_id on events (id);
