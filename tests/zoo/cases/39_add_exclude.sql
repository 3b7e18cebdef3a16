-- title: ADD EXCLUDE builds a GiST index under an exclusive lock
-- catalogue: 39
-- visible: during
-- live: reader
-- exit: 5
-- finding: blocked /exclude/
-- blocking: AccessExclusive reviews /exclude/
-- why: the lock is gone with the build

-- section: migration
alter table reviews add exclude using gist (id with =, period with &&);
