-- title: timestamp to timestamptz in a session under UTC, that nobody reads as text
-- catalogue: S6
-- visible: before-after
-- exit: 0
-- finding: none
-- why: no rewrite, equal instants

-- section: migration
set timezone = 'UTC';
alter table customers alter column last_seen type timestamptz;

-- section: traffic role=app protocol=prepared calls=20
\set id random(1, 10000)
select id from customers where id = :id and last_seen > '2025-06-01';
