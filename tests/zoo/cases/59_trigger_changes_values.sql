-- title: A trigger that changes what is stored: RETURNING tells
-- catalogue: 59
-- visible: before-after
-- exit: 5
-- finding: different /insert into tickets/
-- cause: /trigger assign on tickets was added/
-- why: other values are stored and returned

-- section: migration
create function assign() returns trigger language plpgsql as
    'begin new.assignee := ''first level''; return new; end';
create trigger assign before insert on tickets for each row execute function assign();
