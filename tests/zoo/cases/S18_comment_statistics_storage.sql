-- title: COMMENT, SET STATISTICS, storage parameters
-- catalogue: S18
-- visible: before-after
-- exit: 0
-- finding: none
-- why: catalogue only

-- section: migration
comment on table orders is 'what customers bought';
alter table orders alter column customer_id set statistics 500;
alter table orders set (fillfactor = 90);
alter table reviews alter column words set storage external;
