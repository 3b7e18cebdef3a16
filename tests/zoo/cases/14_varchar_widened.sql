-- title: varchar(n) widened: prepared statements fail, statistics are gone
-- catalogue: 14
-- visible: during
-- live: reader
-- exit: 5
-- finding: broken 0A000 /select email from customers/
-- cause: /customers.email.*0A000 until re-prepared/
-- also: /alter table customers/
-- why: as 13; the statistics are back after the ANALYZE that comes before the judgement

-- section: migration
alter table customers alter column email type varchar(200);

-- section: traffic role=app protocol=prepared calls=80 clients=2
\set n random(1, 2000)
\sleep 50 ms
select email from customers where id = :n;
