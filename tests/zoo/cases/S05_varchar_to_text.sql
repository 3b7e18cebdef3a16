-- title: varchar to text, and wider
-- catalogue: S5
-- visible: before-after
-- exit: 0
-- finding: none
-- why: no rewrite, the index stays

-- section: migration
alter table orders alter column reference type text;
alter table customers alter column email type varchar(200);
