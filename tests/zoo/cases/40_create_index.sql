-- title: CREATE INDEX stops writers for the build
-- catalogue: 40
-- visible: during
-- finding: blocked
-- why: the lock is gone with the build

-- section: migration
create index reviews_product on reviews (product_id);
