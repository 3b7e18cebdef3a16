-- title: ADD FOREIGN KEY: deletes of the parent fail
-- catalogue: 34
-- visible: before-after
-- exit: 5
-- finding: broken 23503 /delete from products/
-- cause: /foreign key reviews_product_id_fkey was added on reviews/
-- why: the locks on both tables show only during

-- section: migration
alter table reviews add foreign key (product_id) references products;

-- section: traffic role=app protocol=prepared calls=20
\set id random(1, 2000)
delete from products where id = :id;
