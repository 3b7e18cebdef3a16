-- title: varchar(n) widened: prepared statements fail, statistics are gone
-- catalogue: 14
-- visible: during
-- finding: broken 0A000
-- why: as 13; the statistics are back after the ANALYZE that comes before the judgement

-- section: migration
alter table customers alter column email type varchar(200);
