-- title: ADD COLUMN with a volatile default
-- catalogue: 6
-- visible: during
-- live: reader
-- exit: 5
-- finding: blocked /add column token/
-- blocking: AccessExclusive orders /add column token/
-- why: the table is rewritten under an exclusive lock; judged after VACUUM, index-only scans are back

-- section: migration
alter table orders add column token uuid not null default gen_random_uuid();
