-- title: numeric to integer: digits are lost, in a column of another type
-- catalogue: 18
-- visible: before-after
-- exit: 5
-- finding: different /select price from products/
-- cause: /column products.price changed from numeric\(10,2\) to integer/
-- why: 1.29 becomes 1

-- section: migration
alter table products alter column price type integer;

-- section: traffic role=app protocol=prepared calls=20
\set id random(1, 3000)
select price from products where id = :id;
