-- The shop while a migration runs: what cases that are `visible: during` meet, at the pace it has
-- here. About four seconds, in which one transaction is long, as reports and batches are:
-- of `live: reader` it has read, of `live: writer` it has written too.

-- section: traffic role=app protocol=simple calls=45 clients=6
\set n random(1, 2000)
\sleep 20 ms
select id, status, total from orders where id = :n;
\sleep 20 ms
select id, name from customers where id = :n;
select id, subject from tickets where id = :n;
select count(*) from reviews where id = :n;
\sleep 20 ms
update orders set total = total where id = :n;
update items set quantity = quantity where order_id = :n and line = 1;
update customers set tier = tier where id = :n;
update reviews set stars = stars where id = :n;
\sleep 20 ms
select quantity from items where order_id = :n and line = 1;
insert into events (id, at, kind) values (:n, '2026-03-06', 'kind 2');
select count(*) from events where id = :n;
select count(*) from sales;

-- section: reader role=app client=psql calls=1
select pg_sleep(0.7);
begin;
select count(*) from orders; select count(*) from items; select count(*) from customers;
select count(*) from reviews; select count(*) from tickets; select count(*) from events;
select count(*) from sales;
select pg_sleep(1.5);
commit;

-- section: writer role=app client=psql calls=1
select pg_sleep(0.7);
begin;
update orders set total = total where id = 3001; update items set quantity = quantity where order_id = 3001;
update customers set tier = tier where id = 3001; update reviews set stars = stars where id = 3001;
select count(*) from tickets; select count(*) from sales;
insert into events (id, at, kind) values (0, '2026-03-05', 'kind 1');
select pg_sleep(1.5);
commit;
