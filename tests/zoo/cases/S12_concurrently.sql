-- title: CREATE, REINDEX and DROP INDEX CONCURRENTLY
-- catalogue: S12
-- visible: before-after
-- exit: 0
-- finding: none
-- why: nobody waits

-- section: migration
create index concurrently reviews_product on reviews (product_id);
reindex index concurrently orders_customer;
create index concurrently orders_placed_again on orders (placed);
drop index concurrently orders_placed_again;
