-- title: A new table with a foreign key to a hot one stops its writers until commit
-- catalogue: 37
-- visible: during
-- live: writer
-- exit: 5
-- finding: blocked /create table returns/
-- why: a lock alone; every query after it is as before

-- section: migration
begin;
create table returns (order_id bigint references orders, reason text);
select pg_sleep(0.5);
commit;
