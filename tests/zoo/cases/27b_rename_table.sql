-- title: RENAME TABLE
-- catalogue: 27
-- visible: before-after
-- exit: 5
-- finding: broken 42P01 /from items/
-- finding: broken 42P01 /insert into items/
-- finding: broken 42P01 /order_total/
-- also: /items|update orders/
-- cause: /table items was renamed to order_lines/
-- why: all deployed code names the old table; orders whose items fail are never committed, so later updates miss them

-- section: migration
alter table items rename to order_lines;
