-- title: CREATE INDEX CONCURRENTLY behind an old snapshot
-- catalogue: 41
-- visible: during
-- live: reader
-- exit: 0
-- finding: warning|blocked /reviews_product/
-- why: waits for transactions of the application, as long as they are; on an idle lane there is none

-- section: migration
create index concurrently reviews_product on reviews (product_id);
