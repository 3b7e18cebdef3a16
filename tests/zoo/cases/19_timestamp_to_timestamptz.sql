-- title: timestamp to timestamptz in a session of another zone: instants are shifted
-- catalogue: 19
-- visible: before-after
-- exit: 5
-- finding: different /select last_seen/
-- cause: /column customers.last_seen changed from timestamp without time zone to timestamp with time zone/
-- why: the migration's session says Europe/Berlin, the values were meant as UTC

-- section: migration
set timezone = 'Europe/Berlin';
alter table customers alter column last_seen type timestamptz;

-- section: traffic role=app protocol=prepared calls=20
\set id random(1, 10000)
select last_seen from customers where id = :id;
