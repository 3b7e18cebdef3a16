-- title: varchar(n) shrunk over values that are longer
-- catalogue: 17
-- visible: before-after
-- exit: 7
-- finding: migration-failed 22001
-- cause: /22001.*too large/
-- why: passes where no value is that long

-- section: migration
alter table customers alter column email type varchar(12);
