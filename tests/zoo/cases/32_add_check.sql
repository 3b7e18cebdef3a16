-- title: ADD CHECK: a full scan under an exclusive lock
-- catalogue: 32
-- visible: during
-- live: reader
-- exit: 5
-- finding: blocked /total_positive/
-- blocking: AccessExclusive orders /total_positive/
-- why: the lock is gone with the scan; the traffic's values meet the constraint

-- section: migration
alter table orders add constraint total_positive check (total >= 0);
