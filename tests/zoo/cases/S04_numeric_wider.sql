-- title: numeric wider, same scale
-- catalogue: S4
-- visible: before-after
-- exit: 0
-- finding: none
-- why: no rewrite, equal values

-- section: migration
alter table products alter column price type numeric(14, 2);
alter table items alter column price type numeric(14, 2);
