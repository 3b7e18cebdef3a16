-- title: A covering index made before the old one is dropped
-- catalogue: S20
-- visible: before-after
-- exit: 0
-- finding: none
-- why: plans hold

-- section: migration
create index concurrently orders_customer_covering on orders (customer_id) include (id, status, total);
drop index concurrently orders_customer;
