-- title: int to bigint: the type on the wire changes, and sum() becomes numeric
-- catalogue: 15
-- visible: before-after
-- exit: 0
-- finding: warning /select id, visits from customers/
-- finding: warning /select sum\(visits\)/
-- cause: /column customers.visits changed from integer to bigint/
-- why: values are equal as text; what a driver makes of another type nobody can know. The rewrite shows only during

-- section: migration
alter table customers alter column visits type bigint;

-- section: traffic role=app protocol=extended calls=20
\set id random(1, 10000)
select id, visits from customers where id = :id;
select sum(visits) from customers where id between :id and :id + 10;
