-- title: FOREIGN KEY NOT VALID, then VALIDATE, beside a long reader
-- catalogue: S11
-- visible: during
-- live: reader
-- exit: 0
-- finding: none
-- why: ShareRowExclusive goes with readers, and is held for an instant

-- section: migration
alter table reviews add constraint of_product foreign key (product_id) references products not valid;
alter table reviews validate constraint of_product;
