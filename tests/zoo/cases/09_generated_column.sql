-- title: A column becomes generated: explicit values are refused
-- catalogue: 9
-- visible: before-after
-- exit: 5
-- finding: broken 428C9 /update products set gross/
-- finding: broken 428C9 /insert into products/
-- cause: /column products.gross became a generated column/
-- why: the deployed code still writes the column; that the table is rewritten shows only during

-- section: migration
alter table products drop column gross;
alter table products add column gross numeric(10, 2) generated always as (net * 1.19) stored;

-- section: traffic role=app protocol=extended calls=20
\set id random(1, 3000)
\set new random(100000, 100000000)
update products set gross = 12.5 where id = :id;
insert into products (id, sku, name, price, net, gross) values (:new, 'X' || :new, 'New', 1, 1, 1.2);
