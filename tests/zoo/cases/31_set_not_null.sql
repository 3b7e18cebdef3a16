-- title: SET NOT NULL on a column that writers leave out
-- catalogue: 31
-- visible: before-after
-- exit: 5
-- finding: broken 23502 /insert into orders/
-- also: /orders|items/
-- cause: /column orders.note became NOT NULL/
-- why: the scan under an exclusive lock shows only during

-- section: migration
update orders set note = '' where note is null;
alter table orders alter column note set not null;
