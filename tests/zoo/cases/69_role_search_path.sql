-- title: ALTER ROLE SET search_path: new sessions look elsewhere
-- catalogue: 69
-- visible: before-after
-- exit: 5
-- finding: broken 42P01 /insert into tickets/
-- also: //
-- cause: /search_path of role app was changed/
-- why: only sessions that begin after it see it; those of a replay do

-- section: migration
alter role app set search_path = shipping;
