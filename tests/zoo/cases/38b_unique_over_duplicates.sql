-- title: ADD UNIQUE over duplicates
-- catalogue: 38
-- visible: before-after
-- exit: 7
-- finding: migration-failed 23505
-- cause: /23505.*count/
-- why: passes on data without duplicates

-- section: migration
alter table customers add unique (country);
