-- title: autovacuum_enabled = false
-- catalogue: 68
-- visible: not
-- finding: more-work
-- why: nothing today, bloat in weeks; no captured traffic is as long

-- section: migration
alter table orders set (autovacuum_enabled = false);
