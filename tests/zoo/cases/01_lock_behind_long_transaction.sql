-- title: ALTER TABLE waits behind a long transaction, and everything behind it
-- catalogue: 1
-- visible: during
-- live: reader
-- exit: 5
-- finding: blocked /add column channel/
-- blocking: AccessExclusive orders /add column channel/
-- why: the queue stands only while the migration waits; before and after it every query is as fast as ever

-- section: migration
alter table orders add column channel text;
