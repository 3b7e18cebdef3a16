-- title: ALTER TABLE with lock_timeout behind a long transaction
-- catalogue: 2
-- visible: during
-- live: reader
-- exit: 5
-- finding: blocked /add column channel/
-- why: fails with 55P03 only where a transaction stands in the way; the migration runs on an idle lane

-- section: migration
set lock_timeout = '200ms';
alter table orders add column channel text;
