-- title: DEFAULT of a NOT NULL column dropped
-- catalogue: 62
-- visible: before-after
-- exit: 5
-- finding: broken 23502 /insert into tickets/
-- cause: /the default of column tickets.assignee was dropped/
-- why: inserts that leave it out fail

-- section: migration
alter table tickets alter column assignee drop default;
