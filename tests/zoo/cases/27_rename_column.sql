-- title: RENAME COLUMN
-- catalogue: 27
-- visible: before-after
-- exit: 5
-- finding: broken 42703 /product_id, quantity, price from items/
-- finding: broken 42703 /order_total/
-- also: /items/
-- cause: /column items.quantity was renamed to items.pieces/
-- why: views follow a renamed column, queries and bodies of functions do not

-- section: migration
alter table items rename column quantity to pieces;
