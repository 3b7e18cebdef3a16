-- title: DROP of a foreign key takes an exclusive lock on the parent too
-- catalogue: 36
-- visible: during
-- live: reader
-- exit: 5
-- finding: blocked /drop constraint/
-- blocking: AccessExclusive items /drop constraint/
-- why: a lock alone; every query after it is as before

-- section: migration
alter table items drop constraint items_order_id_fkey;
