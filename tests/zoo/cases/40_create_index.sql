-- title: CREATE INDEX stops writers for the build
-- catalogue: 40
-- visible: during
-- live: writer
-- exit: 5
-- finding: blocked /reviews_product/
-- blocking: Share reviews /reviews_product/
-- why: the lock is gone with the build

-- section: migration
create index reviews_product on reviews (product_id);
