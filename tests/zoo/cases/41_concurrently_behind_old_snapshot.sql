-- title: CREATE INDEX CONCURRENTLY behind an old snapshot
-- catalogue: 41
-- visible: during
-- finding: blocked
-- why: waits for transactions of the application; on an idle lane there is none

-- section: migration
create index concurrently reviews_product on reviews (product_id);
