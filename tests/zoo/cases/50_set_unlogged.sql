-- title: SET UNLOGGED
-- catalogue: 50
-- visible: not
-- finding: blocked
-- why: the rewrite shows only during; that rows are lost in a crash and missing on standbys no replay shows

-- section: migration
alter table counters set unlogged;
