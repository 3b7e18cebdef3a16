-- title: DDL, then a backfill, in one transaction
-- catalogue: 4
-- visible: during
-- live: reader
-- exit: 5
-- finding: blocked /total_cents/
-- blocking: AccessExclusive orders /total_cents/
-- why: the exclusive lock is kept for the whole backfill and is gone after it

-- section: migration
begin;
alter table orders add column total_cents bigint;
update orders set total_cents = total * 100;
commit;
