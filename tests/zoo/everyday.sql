-- What the shop's application and its reports do on every day: part of every capture of the zoo, so
-- that each migration meets queries that it must not be blamed for. Sections run side by side, each
-- `calls` times, as pgbench scripts.

-- section: traffic role=app protocol=prepared calls=25
\set customer random(1, 10000)
\set order random(1, 40000)
select id, name, email, phone, country from customers where id = :customer;
select id, status, total, note from orders where customer_id = :customer and id <= 40000 order by id;
select product_id, quantity, price from items where order_id = :order order by line;
select order_total(:order);
select label_of(:customer);

-- section: traffic role=app protocol=extended calls=25
\set customer random(1, 10000)
\set product random(1, 3000)
\set n random(1, 1000000000)
begin;
insert into orders (customer_id, total, reference) values (:customer, 12.50, 'N-' || :n) returning id, status \gset
insert into items (order_id, line, product_id, price) values (:id, 1, :product, 12.50);
update customers set visits = visits + 1 where id = :customer;
commit;
update orders set status = 'paid' where id = :id returning status, total;
select id, line, quantity from items join orders on orders.id = order_id where order_id = :id;

-- section: traffic role=app protocol=simple calls=25
\set n random(1, 2000)
update counters set hits = hits + 1, touched = :n where id = :n;
update stock set on_hand = on_hand - 1 where sku = 'SKU-' || :n returning on_hand;
insert into coupons (code, percent) values ('C' || :n, 7) on conflict (code) do update set used = coupons.used + 1;
insert into tickets (subject) values ('Broken thing') returning id, assignee;
insert into invites (email) values ('friend' || :n || '@example.com');
insert into reviews (product_id, stars, words) values (:n, 4, 'nice') returning id;
select count(*), min(id) from events where kind = 'kind ' || :n % 50;
select c.name, o.total from customers c join orders o on o.customer_id = c.id where c.id = :n and o.id <= 40000 order by o.total desc, o.id limit 5;

-- section: traffic role=readonly protocol=simple calls=20
\set customer random(1, 10000)
select id, total from open_orders where customer_id = :customer and id <= 40000 and id % 2 = 1 order by id;
select name, phone from customer_directory where id = :customer;
select country, orders, total from sales order by country;
