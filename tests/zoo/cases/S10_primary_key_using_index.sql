-- title: UNIQUE and PRIMARY KEY USING INDEX
-- catalogue: S10
-- visible: before-after
-- exit: 0
-- finding: none
-- why: the index is there already

-- section: migration
create unique index concurrently coupons_code_key on coupons (code);
alter table coupons add primary key using index coupons_code_key;
drop index concurrently coupons_code;
alter table orders add unique using index orders_reference;
