-- title: ADD UNIQUE behind a report: the index is built under an exclusive lock
-- catalogue: 38
-- visible: during
-- live: reader
-- exit: 5
-- finding: blocked /add unique/
-- blocking: AccessExclusive customers /add unique/
-- why: the queue stands only while the migration waits and builds

-- section: migration
alter table customers add unique (code, id);
