-- title: ADD COLUMN identity
-- catalogue: 8
-- visible: during
-- live: reader
-- exit: 5
-- finding: blocked /add column number/
-- blocking: AccessExclusive tickets /add column number/
-- why: the table is rewritten under an exclusive lock; inserts are fine after it

-- section: migration
alter table tickets add column number int generated always as identity;
