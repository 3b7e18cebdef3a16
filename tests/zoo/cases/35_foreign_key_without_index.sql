-- title: FOREIGN KEY on a column without an index: deletes of the parent scan the child
-- catalogue: 35
-- visible: before-after
-- exit: 5
-- quick: yes
-- finding: slower|more-work /delete from products/
-- cause: /foreign key reviews_product_id_fkey was added: .* no index covers reviews \(product_id\)/
-- fix: /create index concurrently \w+ on reviews \(product_id\);/
-- textbook: create index on reviews (product_id)
-- why: each DELETE looks for children; nothing helps it find them

-- section: migration
alter table reviews add foreign key (product_id) references products;

-- section: traffic role=app protocol=prepared calls=100
\set id random(2600, 3000)
delete from products where id = :id;
