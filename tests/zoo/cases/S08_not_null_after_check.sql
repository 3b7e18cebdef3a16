-- title: SET NOT NULL after a validated CHECK
-- catalogue: S8
-- visible: before-after
-- exit: 0
-- finding: none
-- why: no scan

-- section: migration
alter table reviews add constraint words_there check (words is not null) not valid;
alter table reviews validate constraint words_there;
alter table reviews alter column words set not null;
alter table reviews drop constraint words_there;
