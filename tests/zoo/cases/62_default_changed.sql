-- title: DEFAULT changed: other values are stored
-- catalogue: 62
-- visible: before-after
-- exit: 5
-- finding: different /insert into tickets/
-- cause: /the default of column tickets.assignee changed/
-- why: RETURNING tells; without it the next SELECT would

-- section: migration
alter table tickets alter column assignee set default 'somebody';
