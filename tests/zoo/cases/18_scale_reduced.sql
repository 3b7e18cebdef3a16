-- title: numeric scale reduced: values are rounded silently
-- catalogue: 18
-- visible: before-after
-- exit: 5
-- finding: different /select price from products/
-- cause: /column products.price changed from numeric\(10,2\) to numeric\(10,1\)/
-- why: 1.29 becomes 1.3

-- section: migration
alter table products alter column price type numeric(10, 1);

-- section: traffic role=app protocol=prepared calls=20
\set id random(1, 3000)
select price from products where id = :id;
