-- title: Rename an index
-- catalogue: S13
-- visible: before-after
-- exit: 0
-- finding: none
-- why: no query names an index

-- section: migration
alter index orders_customer rename to orders_by_customer;
