-- title: CREATE INDEX on a partitioned table locks every partition
-- catalogue: 54
-- visible: during
-- live: writer
-- exit: 5
-- finding: blocked /events_id/
-- blocking: Share events /events_id/
-- why: the locks are gone with the build

-- section: migration
create index events_id on events (id);
