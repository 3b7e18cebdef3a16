-- title: CREATE INDEX CONCURRENTLY while traffic runs
-- catalogue: S12
-- visible: during
-- live: writer
-- exit: 0
-- finding: none
-- why: it waits for the transaction, and nobody waits for it

-- section: migration
create index concurrently reviews_product on reviews (product_id);
