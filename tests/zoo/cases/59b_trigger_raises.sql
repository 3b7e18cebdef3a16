-- title: A trigger that raises: every write fails
-- catalogue: 59
-- visible: before-after
-- exit: 5
-- finding: broken P0001 /insert into tickets/
-- cause: /trigger check_assignee on tickets runs with every such write/
-- why: the new rule refuses what the deployed code writes

-- section: migration
create function check_assignee() returns trigger language plpgsql as
    'begin if new.assignee = ''nobody'' then raise exception ''a ticket needs an assignee''; end if; return new; end';
create trigger check_assignee before insert on tickets for each row execute function check_assignee();
