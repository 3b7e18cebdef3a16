-- title: ADD COLUMN of a name that a joined table has too
-- catalogue: 11
-- visible: before-after
-- exit: 5
-- finding: broken 42702 /select note, name from orders/
-- finding: different /natural join/
-- cause: /column customers.note was added/
-- cause: /column archive_notes.version was added/
-- why: unqualified names become ambiguous, and NATURAL JOIN joins by the new columns too

-- section: migration
alter table customers add column note text default 'none';
alter table archive_notes add column version int not null default 0;
alter table counters add column version int not null default 1;

-- section: traffic role=app protocol=simple calls=20
\set id random(1, 10000)
\set old random(1, 500)
select note, name from orders join customers on customers.id = customer_id where customers.id = :id and orders.id <= 40000 order by orders.id;
select words, id from archive_notes natural join counters where id = :old;
