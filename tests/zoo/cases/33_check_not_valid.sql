-- title: ADD CHECK NOT VALID: instant, yet writes of old bad rows fail
-- catalogue: 33
-- visible: before-after
-- exit: 5
-- finding: broken 23514 /update products set net/
-- cause: /constraint price_floor was added on products/
-- why: an UPDATE checks the whole new row, also the part it does not change

-- section: migration
alter table products add constraint price_floor check (price >= 450) not valid;

-- section: traffic role=app protocol=prepared calls=20
\set id random(1, 3000)
update products set net = net + 1 where id = :id;
