-- title: RENAME TABLE, and a view with grants under its old name
-- catalogue: S16
-- visible: before-after
-- exit: 0
-- finding: none
-- why: the view is updatable: every statement runs as before

-- section: migration
begin;
alter table tickets rename to support_tickets;
create view tickets as select * from support_tickets;
alter view tickets alter column assignee set default 'nobody';
grant select, insert, update, delete on tickets to app;
commit;

-- section: traffic role=app protocol=prepared calls=20
\set id random(1, 2000)
select * from tickets where id = :id;
update tickets set assignee = 'me' where id = :id;
