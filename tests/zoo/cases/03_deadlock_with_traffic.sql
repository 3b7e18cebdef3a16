-- title: Two tables altered in one transaction, in the order opposite to traffic's
-- catalogue: 3
-- visible: during
-- finding: blocked
-- why: 40P01 needs the application's transactions beside the migration

-- section: migration
begin;
alter table customers add column channel text;
alter table orders add column channel text;
commit;
