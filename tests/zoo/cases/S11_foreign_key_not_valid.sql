-- title: FOREIGN KEY NOT VALID
-- catalogue: S11
-- visible: before-after
-- exit: 0
-- finding: none
-- why: no scan; the traffic's rows have their parents

-- section: migration
alter table reviews add foreign key (product_id) references products not valid;
