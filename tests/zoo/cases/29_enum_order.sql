-- title: An enum made again with its values in another order
-- catalogue: 29
-- visible: before-after
-- exit: 5
-- finding: different /order by status/
-- cause: /labels of enum type order_status changed or are in another order/
-- why: enums sort by declaration

-- section: migration
drop view open_orders;
create type order_state as enum ('paid', 'new', 'returned', 'shipped');
alter table orders alter column status drop default;
alter table orders alter column status type order_state using status::text::order_state;
alter table orders alter column status set default 'new';
drop type order_status;
alter type order_state rename to order_status;
create view open_orders as
    select id, customer_id, total from orders where status in ('new', 'paid');
grant select on open_orders to app, readonly;

-- section: traffic role=app protocol=simple calls=20
select status, count(*) from orders where id <= 4000 group by status order by status;
