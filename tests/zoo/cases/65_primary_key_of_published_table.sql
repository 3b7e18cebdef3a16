-- title: Primary key dropped on a published table: UPDATE and DELETE fail
-- catalogue: 65
-- visible: before-after
-- exit: 5
-- finding: broken 55000 /update stock/
-- cause: /primary key stock_pkey of stock was dropped/
-- why: only where the publication is kept: no replica identity

-- section: migration
alter table stock drop constraint stock_pkey;
create unique index stock_sku on stock (sku);
