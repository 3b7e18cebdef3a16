-- title: DROP NOT NULL, SET and DROP DEFAULT of columns that writers fill
-- catalogue: S14
-- visible: before-after
-- exit: 0
-- finding: none
-- why: catalogue only

-- section: migration
alter table customers alter column country drop not null;
alter table reviews alter column words set default '';
alter table reviews alter column words drop default;
