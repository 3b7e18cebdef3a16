-- title: ALTER TYPE ADD VALUE, used in the same transaction
-- catalogue: 30
-- visible: before-after
-- exit: 7
-- quick: yes
-- finding: migration-failed 55P04
-- cause: /55P04.*of its own/
-- why: works when run statement by statement, fails in the transaction that migration tools put around it

-- section: migration
begin;
alter type order_status add value 'lost';
update orders set status = 'lost' where id = 1;
commit;
