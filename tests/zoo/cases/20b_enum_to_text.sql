-- title: enum to text: ORDER BY is alphabetical now
-- catalogue: 20
-- visible: before-after
-- exit: 5
-- finding: different /order by status/
-- also: /insert into orders|update orders/
-- cause: /column orders.status changed from order_status to text/
-- why: enums sort by declaration

-- section: migration
drop view open_orders;
alter table orders alter column status drop default;
alter table orders alter column status type text;
alter table orders alter column status set default 'new';
create view open_orders as
    select id, customer_id, total from orders where status in ('new', 'paid');
grant select on open_orders to app, readonly;

-- section: traffic role=app protocol=simple calls=20
\set id random(1, 10000)
select status, count(*) from orders where id <= 4000 group by status order by status;
