-- title: Virtual generated column
-- catalogue: S2
-- visible: before-after
-- exit: 0
-- needs: 18
-- finding: none
-- why: no rewrite

-- section: migration
alter table products add column tax numeric generated always as (net * 0.19) virtual;
