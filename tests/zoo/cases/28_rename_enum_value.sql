-- title: RENAME VALUE of an enum
-- catalogue: 28
-- visible: before-after
-- exit: 5
-- finding: broken 22P02 /update orders set status/
-- also: /orders/
-- cause: /labels of enum type order_status were renamed or removed/
-- why: deployed code writes the old label

-- section: migration
alter type order_status rename value 'paid' to 'settled';
