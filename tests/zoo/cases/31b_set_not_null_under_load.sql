-- title: SET NOT NULL behind a report, and everything behind it
-- catalogue: 31
-- visible: during
-- live: reader
-- exit: 5
-- finding: blocked /set not null/
-- blocking: AccessExclusive reviews /set not null/
-- why: the scan runs under an exclusive lock, and that waits for whoever reads

-- section: migration
alter table reviews alter column words set not null;
