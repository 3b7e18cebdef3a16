-- title: Two tables altered in one transaction, in the order opposite to traffic's
-- catalogue: 3
-- visible: during
-- live: none
-- exit: 5
-- finding: blocked /alter table/
-- deadlock: /update (orders|customers)/
-- why: 40P01 needs the application's transactions beside the migration

-- section: migration
begin;
alter table customers add column channel text;
alter table orders add column channel text;
commit;

-- section: traffic role=app protocol=simple calls=80 clients=12
\set n random(1, 2000)
begin;
update orders set total = total where id = :n;
\sleep 40 ms
update customers set tier = tier where id = :n;
commit;
\sleep 4 ms
