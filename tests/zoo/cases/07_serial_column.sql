-- title: ADD COLUMN serial: the application has no right on the new sequence
-- catalogue: 7
-- visible: before-after
-- exit: 5
-- quick: yes
-- finding: broken 42501 /insert into tickets/
-- cause: /permission denied for sequence tickets_number_seq/
-- why: every INSERT takes the default, which calls nextval() as the application's role

-- section: migration
alter table tickets add column number serial;
