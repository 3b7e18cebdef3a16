-- title: DROP IDENTITY
-- catalogue: 62
-- visible: before-after
-- exit: 5
-- finding: broken 23502 /insert into orders/
-- also: /orders|items/
-- cause: /column orders.id is no identity any more/
-- why: nothing gives the id any more

-- section: migration
alter table orders alter column id drop identity;
