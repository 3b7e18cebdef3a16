-- title: ADD FOREIGN KEY that is validated at once, beside a batch that writes
-- catalogue: 34
-- visible: during
-- live: writer
-- exit: 5
-- finding: blocked /foreign key/
-- blocking: ShareRowExclusive reviews /foreign key/
-- why: the lock on both tables waits for writers, and writers queue behind it

-- section: migration
alter table reviews add foreign key (product_id) references products;
