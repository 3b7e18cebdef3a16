-- title: setval() or RESTART to a number in use
-- catalogue: 64
-- visible: before-after
-- exit: 5
-- finding: broken 23505 /insert into tickets/
-- cause: /sequence tickets_id_seq was set back/
-- why: ids come a second time

-- section: migration
alter table tickets alter column id restart with 1000;
