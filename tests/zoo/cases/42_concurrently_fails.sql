-- title: CREATE UNIQUE INDEX CONCURRENTLY that fails and leaves an invalid index
-- catalogue: 42
-- visible: before-after
-- exit: 7
-- finding: migration-failed 23505
-- cause: /23505.*count/
-- why: the command fails on production's data

-- section: migration
create unique index concurrently customers_country on customers (country);
